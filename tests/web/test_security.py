"""Headers, limits and hosts on every answer, and error pages that give nothing away."""

import re
import sqlite3

import pytest
import sqlalchemy
from flask import Flask, request
from sqlalchemy.exc import OperationalError

from newsletter import errors, factory, settings
from newsletter.audience import signup
from newsletter.web import security
from tests.audience import magazine
from tests.web import test_public

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
PATHS = ("/", "/subscribe", "/archive", "/terms", "/nope", "/confirm/x", "/healthz", "/static/public.css")


@pytest.fixture(autouse=True)
def _magazine(room):
    magazine.found()


def _production(configured, **more):
    return settings.load(
        {
            "NEWSLETTER_BASE_URL": "https://news.magazine.example",
            "NEWSLETTER_SECRET_KEY": "k" * 40,
            "NEWSLETTER_DATABASE_URL": configured.database_url,
            "NEWSLETTER_SMTP_URL": "smtps://relay.example",
            "NEWSLETTER_SENDER": "news@magazine.example",
            "NEWSLETTER_POSTAL_ADDRESS": "1 Street",
            **more,
        }
    )


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers_and_no_cookie(client, path):
    with client.get(path) as answer:
        headers = answer.headers
    assert headers["Content-Security-Policy"] == CSP
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers
    assert "Set-Cookie" not in headers


def test_pages_with_a_token_are_not_stored_and_tell_no_other_site(client):
    magazine.ask()
    for path in (f"/confirm/{magazine.newest_token()}", "/confirm/x", "/unsubscribe/x", "/preferences/x"):
        headers = client.get(path).headers
        assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert client.get("/").headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


@pytest.mark.parametrize(
    ("sites", "base", "ancestors"),
    [
        (
            "https://magazine.example,https://*.magazine.example",
            "https",
            "'self' https://magazine.example https://*.magazine.example",
        ),
        ("", "https", "'self'"),
        ("", "", "'self' http://localhost:* http://127.0.0.1:*"),
    ],
)
def test_the_box_alone_may_be_framed_and_by_named_sites_only(room, configured, sites, base, ancestors):
    chosen = _production(configured, NEWSLETTER_EMBED_SITES=sites) if base else configured
    app = factory.create_app(chosen)
    visitor = app.test_client()
    visitor.environ_base["HTTP_HOST"] = "localhost"
    for answer in (visitor.get("/embed"), visitor.post("/embed/subscribe")):
        assert answer.headers["Content-Security-Policy"].partition("frame-ancestors ")[2].partition(";")[0] == ancestors
        assert ("X-Frame-Options" in answer.headers) == (ancestors == "'self'")
    assert "frame-ancestors 'none'" in visitor.get("/subscribe").headers["Content-Security-Policy"]
    _close(app)


def test_no_page_holds_script_or_style_of_its_own(client):
    for path in ("/", "/subscribe", "/embed", "/archive", "/terms", "/nope"):
        page = client.get(path).text
        # The box is the one page with script: a file of ours that tells its height.
        assert re.findall(r"<script[^>]*>(.*?)</script>", page) == ([""] if path == "/embed" else [])
        assert "<style" not in page
        assert " style=" not in page
        assert " on" + "click" not in page


def test_in_production_an_unknown_host_is_refused_and_https_is_insisted_on(room, configured):
    app = factory.create_app(_production(configured))
    browser = app.test_client()
    for host in ("evil.example", "news.magazine.example.evil.example", "a b"):
        assert browser.get("/", headers={"Host": host}).status_code == 400
    for host in ("news.magazine.example", "127.0.0.1:8000", "localhost"):
        assert browser.get("/healthz", headers={"Host": host}).status_code == 200
    answer = browser.get("/healthz")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    _close(app)


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),  # not a proxy of ours: what it says is not believed
        ("10.1.1.1", "198.51.100.7", "198.51.100.7"),
        ("10.1.1.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # what stands further left was sent by the client
        ("10.1.1.1", "198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.1.1.1", "nonsense", "10.1.1.1"),
        ("10.1.1.1", "", "10.1.1.1"),
    ],
)
def test_a_forwarded_address_is_believed_from_named_proxies_only(configured, peer, forwarded, seen):
    settings.use(_production(configured, NEWSLETTER_TRUSTED_PROXIES="10.0.0.0/8"))
    app = Flask("proxied")
    security.init_app(app)
    app.add_url_rule("/", view_func=lambda: request.remote_addr)
    answer = app.test_client().get(
        "/",
        headers={"X-Forwarded-For": forwarded, "Host": "localhost"},
        environ_base={"REMOTE_ADDR": peer},
    )
    assert answer.text == seen


def test_a_body_over_the_limit_is_refused(client, configured):
    answer = client.post("/subscribe", data=b"x" * (configured.request_bytes + 1), content_type="text/plain")
    assert answer.status_code in (200, 413)
    answer = client.post("/subscribe", data={"email": "x" * (configured.request_bytes + 1)})
    assert answer.status_code == 413
    assert "Nothing was stored" in answer.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadToken(), 404),
        (errors.ExpiredToken(), 404),
        (errors.NotFound("There is no such thing."), 404),
        (errors.Conflict("It is gone already."), 409),
        (errors.Refused("Only publishers may."), 403),
        (errors.BadInput("A title is missing."), 400),
        (errors.NewsletterError("Odd."), 500),
    ],
)
def test_an_error_is_a_page_with_its_sentence(app, error, status):
    @app.get("/fails")
    def fail():
        raise error

    answer = app.test_client().get("/fails")
    assert answer.status_code == status
    assert error.message in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_fault_of_ours_shows_no_traceback_and_no_secret(app):
    app.testing = False

    @app.get("/breaks")
    def breaks():
        raise RuntimeError("secret detail")

    answer = app.test_client().get("/breaks")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text


def test_a_full_disk_loses_and_stores_nothing_and_says_so(client, monkeypatch):
    def full(_ask):
        raise OperationalError("INSERT", {"address": "ana@readers.example"}, sqlite3.OperationalError("disk is full"))

    monkeypatch.setattr(signup, "request_subscription", full)
    answer = test_public._press(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "120")
    assert "nothing is lost" in answer.text
    assert "ana@" not in answer.text
    assert test_public._people() == 0


def test_without_a_database_the_process_lives_and_is_not_ready(app, client, monkeypatch):
    def gone(*_, **__):
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("unable to open database file"))

    monkeypatch.setattr(sqlalchemy.orm.Session, "connection", gone)
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_an_outdated_database_is_not_ready(client, room):
    with factory.db.extension.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    assert client.get("/readyz").status_code == 503


def test_a_wrong_method_is_answered_with_the_right_ones(client):
    answer = client.delete("/subscribe")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def _close(app):
    with app.app_context():
        for engine in factory.db.extension.engines.values():
            engine.dispose()
