"""Who reaches what on the desk: every rule of the map, every role, every forged request."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from newsletter import clock, db, factory, models, settings, signing
from newsletter.articles import pages, polling
from newsletter.errors import FetchRefused
from newsletter.outbox import queue, suppression
from newsletter.outbox.models import Policy, SuppressionReason
from newsletter.staff import editors, notices, sessions
from newsletter.staff.models import EditorSession, Role
from tests.web import desk

# The least role of every rule; None: reached before login. A rule that is not here fails the first test.
LEAST: dict[tuple[str, str], Role | None] = {
    ("GET", "/admin/login"): None,
    ("POST", "/admin/login"): None,
    ("GET", "/admin/setup/<token>"): None,
    ("POST", "/admin/setup/<token>"): None,
    ("POST", "/admin/logout"): Role.WRITER,
    ("GET", "/admin"): Role.WRITER,
    ("GET", "/admin/sending"): Role.WRITER,
    ("POST", "/admin/notices/<int:notice_id>/seen"): Role.WRITER,
    ("POST", "/admin/runs/<int:run_id>/resume"): Role.EDITOR,
    ("GET", "/admin/issues"): Role.WRITER,
    ("POST", "/admin/newsletters/<slug>/issues"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/figures"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/progress"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/preview"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/preview/mail"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/stories/<int:article_id>"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/words"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/approval"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/draft"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/schedule"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/release"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/release"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/pause"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/resume"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/cancellation"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/cancellation"): Role.EDITOR,
    ("GET", "/admin/calendar"): Role.WRITER,
    ("POST", "/admin/calendar/holidays"): Role.EDITOR,
    ("GET", "/admin/calendar/<slug>/<on>"): Role.EDITOR,
    ("POST", "/admin/calendar/<slug>/<on>/skip"): Role.EDITOR,
    ("POST", "/admin/calendar/<slug>/<on>/return"): Role.EDITOR,
    ("POST", "/admin/calendar/<slug>/<on>/time"): Role.EDITOR,
    ("GET", "/admin/audit"): Role.PUBLISHER,
    ("GET", "/admin/audit.csv"): Role.PUBLISHER,
    ("GET", "/admin/articles"): Role.WRITER,
    ("POST", "/admin/articles"): Role.WRITER,
    ("GET", "/admin/articles/<int:article_id>/withdrawal"): Role.EDITOR,
    ("POST", "/admin/articles/<int:article_id>/withdrawal"): Role.EDITOR,
    ("GET", "/admin/feeds"): Role.WRITER,
    ("POST", "/admin/feeds"): Role.PUBLISHER,
    ("POST", "/admin/feeds/<int:feed_id>/fetches"): Role.WRITER,
    ("GET", "/admin/newsletters"): Role.WRITER,
    ("GET", "/admin/newsletters/new"): Role.PUBLISHER,
    ("POST", "/admin/newsletters"): Role.PUBLISHER,
    ("GET", "/admin/newsletters/<slug>"): Role.PUBLISHER,
    ("POST", "/admin/newsletters/<slug>"): Role.PUBLISHER,
    ("GET", "/admin/box"): Role.WRITER,
    ("GET", "/admin/readers"): Role.EDITOR,
    ("GET", "/admin/readers/<int:reader_id>"): Role.EDITOR,
    ("POST", "/admin/readers/<int:reader_id>/suppression"): Role.PUBLISHER,
    ("GET", "/admin/readers/<int:reader_id>/proof"): Role.EDITOR,
    ("GET", "/admin/readers/<int:reader_id>/proof.json"): Role.EDITOR,
    ("GET", "/admin/suppressions"): Role.EDITOR,
    ("POST", "/admin/suppressions"): Role.EDITOR,
    ("GET", "/admin/suppressions/<int:suppression_id>"): Role.EDITOR,
    ("POST", "/admin/suppressions/<int:suppression_id>/lifting"): Role.PUBLISHER,
    ("GET", "/admin/settings"): Role.WRITER,
    ("GET", "/admin/texts"): Role.WRITER,
    ("POST", "/admin/texts"): Role.PUBLISHER,
    ("GET", "/admin/editors"): Role.ADMIN,
    ("POST", "/admin/editors"): Role.ADMIN,
    ("POST", "/admin/editors/<int:editor_id>/link"): Role.ADMIN,
    ("POST", "/admin/editors/<int:editor_id>/role"): Role.ADMIN,
    ("POST", "/admin/editors/<int:editor_id>/departure"): Role.ADMIN,
}
BEHIND_LOGIN = [key for key, least in LEAST.items() if least is not None]
POSTS = [rule for method, rule in BEHIND_LOGIN if method == "POST"]


@pytest.fixture
def world(room, monkeypatch) -> dict[str, Any]:
    """Something for every rule to be about; the value of each of its parts."""

    def refuse(*_given: Any, **_named: Any) -> None:
        raise FetchRefused

    monkeypatch.setattr(pages, "read", refuse)
    monkeypatch.setattr(polling, "poll", lambda feed_id: polling.Report(feed_id, error="Not here."))
    desk.magazine()
    other, token = editors.add("somebody@magazine.example", Role.EDITOR)
    editors.add("second@magazine.example", Role.ADMIN)
    (*_, notice) = notices.tell("key", subject="Told", text="Something.")
    stopped = suppression.suppress("complainer@readers.example", SuppressionReason.COMPLAINT)
    db.session.commit()
    return {
        "suppression_id": stopped.id,
        "issue_id": desk.issue("weekly"),
        "article_id": 1,
        "slug": "daily",
        "reader_id": 1,
        "feed_id": 1,
        "editor_id": other.id,
        "notice_id": notice.id,
        "run_id": _paused_run(),
        "token": token,
        "on": (clock.now() + timedelta(days=10)).date().isoformat(),
    }


def _paused_run() -> int:
    run = queue.open_run("agreement", 1, policy=Policy.RETRY, lifetime=timedelta(days=1))
    queue.add(run, [queue.Planned(1, "reader1@readers.example")])
    queue.release(run)
    queue.pause(run, "The relay refused our sender.")
    db.session.commit()
    return run.id


def _path(rule: str, world: dict[str, Any]) -> str:
    for name, value in world.items():
        rule = rule.replace(f"<int:{name}>", str(value)).replace(f"<{name}>", str(value))
    return rule


def _everything() -> dict[str, list[Any]]:
    db.session.rollback()
    kept = {
        table.name: [tuple(row) for row in db.session.execute(select(table).order_by(*table.primary_key))]
        for table in models.TABLES.sorted_tables
        if table.name != "bucket"
    }
    db.session.rollback()
    return kept


def test_every_rule_of_the_desk_is_listed_here_and_classified_in_its_view(app):
    found = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if (rule.rule + "/").startswith("/admin/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == set(LEAST)
    for rule in app.url_map.iter_rules():
        if (rule.rule + "/").startswith("/admin/"):
            assert hasattr(app.view_functions[rule.endpoint], "needs"), rule


def test_a_page_nobody_classified_does_not_exist(configured):
    application = factory.create_app(configured)
    application.add_url_rule("/admin/forgotten", "forgotten", lambda: "secret")
    answer = application.test_client().get("/admin/forgotten")
    assert answer.status_code == 404
    assert b"secret" not in answer.data
    with application.app_context():
        db.session.rollback()
        db.extension.engine.dispose()


@pytest.mark.parametrize(("method", "rule"), BEHIND_LOGIN)
def test_before_login_every_page_leads_to_the_login_and_nothing_changes(client, world, method, rule):
    before = _everything()
    for path in (_path(rule, world), _path(rule, world) + "?x=1"):
        answer = client.open(path, method=method)
        assert answer.status_code == 303
        assert answer.location.startswith("/admin/login")
    assert client.head(_path(rule, world)).status_code in (303, 405)
    assert _everything() == before


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "rule"), BEHIND_LOGIN)
def test_each_role_reaches_what_is_its_own_and_nothing_more(client, world, method, rule, role):
    token = desk.log_in(client, role)
    least = LEAST[method, rule]
    assert least is not None
    may = list(Role).index(role) >= list(Role).index(least)
    before = _everything()
    form = {"csrf": token, "version": "2", "do": "pin", "role": "writer", "url": "https://magazine.example/x"}
    answer = client.open(_path(rule, world), method=method, data=form if method == "POST" else None)
    assert (answer.status_code != 403) == may, answer.status
    assert answer.status_code < 500
    if not may:
        assert _everything() == before
    elif method == "GET":
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("rule", POSTS)
def test_a_forged_post_is_refused_and_changes_nothing(client, app, world, rule):
    other = app.test_client()
    others = desk.log_in(other, Role.EDITOR)
    mine = desk.log_in(client, Role.ADMIN)
    form = {"do": "pin", "version": "2", "role": "writer"}
    forgeries = [
        ({}, {}),
        ({"csrf": ""}, {}),
        ({"csrf": others}, {}),
        ({"csrf": mine[:-1] + ("A" if mine[-1] != "A" else "B")}, {}),
        ({"csrf": signing.sign_dated("csrf-anonymous", "")}, {}),
        ({"csrf": mine}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": mine}, {"Sec-Fetch-Site": "same-site"}),
        ({"csrf": mine}, {"Origin": "https://evil.example"}),
        ({"csrf": mine}, {"Origin": "null"}),
        ({"csrf": mine}, {"Origin": "http://127.0.0.1:8000.evil.example"}),
    ]
    before = _everything()
    for fields, headers in forgeries:
        answer = client.post(_path(rule, world), data=form | fields, headers=headers)
        assert answer.status_code == 403, (fields, headers)
    assert _everything() == before


def test_the_sites_own_origins_pass(client, world):
    token = desk.log_in(client, Role.ADMIN)
    path = _path("/admin/notices/<int:notice_id>/seen", world)
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://localhost"},
    ):
        assert client.post(path, data={"csrf": token}, headers=headers).status_code == 303


@pytest.mark.parametrize(
    "variant", ["/admin/issues/", "//admin/issues", "/ADMIN/issues", "/admin/./issues", "/admin//issues"]
)
def test_other_spellings_of_an_address_open_nothing(client, world, variant):
    assert client.get(variant).status_code in (301, 303, 308, 404)


def test_reading_changes_nothing_whatever_is_read(client, world):
    desk.log_in(client, Role.ADMIN)
    before = _everything()
    for (method, rule), least in LEAST.items():
        if method == "GET" and least is not None:
            client.get(_path(rule, world))
            client.head(_path(rule, world))
            client.post(_path(rule, world) + "?_method=GET", headers={"X-HTTP-Method-Override": "GET"})
    client.get(_path("/admin/setup/<token>", world))
    assert _everything() == before


def test_a_session_ends_at_logout_idle_and_when_the_editor_goes(client, world):
    token = desk.log_in(client, Role.EDITOR)
    assert client.get("/admin").status_code == 200
    old = client.get_cookie("session").value
    assert client.post("/admin/logout", data={"csrf": token}).status_code == 303
    assert client.get_cookie("session") is None
    client.set_cookie("session", old)
    assert client.get("/admin").status_code == 303
    desk.log_in(client, Role.EDITOR)
    with time_machine.travel(clock.now() + settings.current().session_idle + timedelta(seconds=1)):
        assert client.get("/admin").status_code == 303
    assert client.get("/admin").status_code == 200
    editors.deactivate(editors.find("editor@magazine.example"))
    db.session.commit()
    assert client.get("/admin").status_code == 303


def test_log_out_everywhere_ends_every_browser_of_this_editor_alone(app, client, world):
    second, stranger = app.test_client(), app.test_client()
    desk.log_in(second, Role.EDITOR)
    desk.log_in(stranger, Role.WRITER)
    token = desk.log_in(client, Role.EDITOR)
    client.post("/admin/logout", data={"csrf": token, "everywhere": "yes"})
    assert second.get("/admin").status_code == 303
    assert stranger.get("/admin").status_code == 200


def test_looking_at_pages_keeps_a_session_alive_to_its_end(client, world):
    with time_machine.travel(clock.now(), tick=False) as time:
        desk.log_in(client, Role.WRITER)
        for _ in range(7):
            time.shift(timedelta(minutes=100))
            assert client.get("/admin/sending").status_code == 200
        time.shift(timedelta(minutes=100))
        assert client.get("/admin").status_code == 303


def test_a_cookie_is_not_taken_from_a_visitor_but_given_anew_at_login(client, world, monkeypatch):
    client.set_cookie("session", "chosen-by-somebody-else")
    db.session.commit()
    editors.set_password(world["token"], "a quiet river in autumn")
    db.session.commit()
    form = {"csrf": signing.sign_dated("csrf-anonymous", ""), "address": "somebody@magazine.example"}
    client.post("/admin/login", data=form | {"password": "a quiet river in autumn"})
    first = client.get_cookie("session").value
    assert first != "chosen-by-somebody-else"
    client.post("/admin/login", data=form | {"password": "a quiet river in autumn"})
    assert client.get_cookie("session").value != first
    assert sessions.find(first) is None, "the session it replaces has ended"
    db.session.rollback()


@pytest.mark.parametrize("base_url", ["https://news.magazine.example", ""])
def test_the_cookie_is_bound_to_the_host_and_kept_from_script(database_url, tmp_path, base_url):
    values = {
        "NEWSLETTER_INSTANCE": str(tmp_path),
        "NEWSLETTER_DATABASE_URL": database_url,
        "NEWSLETTER_SECRET_KEY": "test-secret-key-of-enough-characters",
        "NEWSLETTER_BASE_URL": base_url,
        "NEWSLETTER_SENDER": "The Magazine <news@magazine.example>",
        "NEWSLETTER_POSTAL_ADDRESS": "1 Example Street",
        "NEWSLETTER_SMTP_URL": "smtp://127.0.0.1:2525?tls=none",
    }
    application = factory.create_app(settings.load(values))
    with application.app_context():
        _, token = editors.add("ed@magazine.example", Role.EDITOR)
        db.session.commit()
        answer = _set_password(application, token, base_url or "http://127.0.0.1:8000")
        assert answer.status_code == 303
        (cookie,) = answer.headers.getlist("Set-Cookie")
        name = "__Host-session" if base_url else "session"
        assert cookie.startswith(f"{name}=")
        attributes = {part.strip() for part in cookie.split(";")[1:]}
        assert attributes == {"HttpOnly", "Path=/", "SameSite=Lax"} | ({"Secure"} if base_url else set())
        assert db.session.scalars(select(EditorSession)).one().digest not in cookie
        db.session.rollback()
        db.extension.engine.dispose()


def _set_password(application: Flask, token: str, base_url: str) -> Any:
    form = {"csrf": signing.sign_dated("csrf-anonymous", ""), "password": "a quiet river in autumn"}
    return application.test_client().post(f"/admin/setup/{token}", data=form, base_url=base_url)
