"""The headers of every route in every outcome, from the map of routes itself."""

import re

import pytest
from flask import Response, abort, redirect

from newsletter import factory
from newsletter.staff.models import Role
from tests.audience import magazine
from tests.web import desk, test_security

STATUSES = [
    200,
    303,
    404,
    500,
    *(pytest.param(code, marks=pytest.mark.slow) for code in (400, 403, 409, 413, 415, 429, 503)),
]
PERMISSIONS = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
NO_REFERRER, ORIGIN_ALONE = "no-referrer", "strict-origin-when-cross-origin"

# Every door that is open to all, without its tokens: what stands here was thought about. The desk has its own table.
PUBLIC = {
    "home", "signup", "embed", "confirm", "preferences", "private", "unsubscribe", "agree", "archive", "syndication",
    "legal", "media", "theme", "health", "static", "inbox", "sample",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _magazine(room):
    magazine.found()


def _rules(app):
    return sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)


def _is_desk(rule):
    return (rule.rule + "/").startswith("/admin/")


def _private(app):
    return {endpoint for endpoint, view in app.view_functions.items() if getattr(view, "is_private", False)}


def _path(rule):
    """An address of the route, with something in every place."""
    values = {"int": "1", "path": "public.css", "": "x"}
    return re.sub(r"<(?:(\w+):)?\w+>", lambda found: values[found[1] or ""], rule.rule)


def _force(app, status):
    """Let every view end in this status, its marks kept."""

    def ends(**_):
        if status == 500:
            raise RuntimeError("secret detail")
        if status >= 400:
            abort(status)
        return redirect("/elsewhere", 303) if status == 303 else Response("<p>fine", mimetype="text/html")

    for endpoint, view in list(app.view_functions.items()):
        forced = test_security.security.private(ends) if getattr(view, "is_private", False) else (lambda **_: ends())
        if hasattr(view, "needs"):
            forced.needs = view.needs
        app.view_functions[endpoint] = forced


def _complaints(rule, status, headers, *, is_private, is_secure=False):
    wanted = {
        "Content-Security-Policy": test_security.CSP,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": PERMISSIONS,
        "Referrer-Policy": NO_REFERRER if is_private or status >= 400 else ORIGIN_ALONE,
        "Set-Cookie": None,
        "Server": None,
        "Access-Control-Allow-Origin": None,
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains" if is_secure else None,
    }
    if is_private or _is_desk(rule) or status >= 400:
        wanted["Cache-Control"] = "no-store"
    found = [f"{name}: {headers.get(name)!r}" for name, value in wanted.items() if headers.get(name) != value]
    if status != 303 and headers["Content-Type"] != "text/html; charset=utf-8":
        found.append(headers["Content-Type"])
    return [f"{rule.rule} {status} {line}" for line in found]


def test_every_route_is_known_here_and_every_one_with_a_token_is_private(app):
    for rule in _rules(app):
        assert _is_desk(rule) or rule.endpoint.partition(".")[0] in PUBLIC, f"{rule.rule} is in no table"
        if "<token>" in rule.rule:
            assert rule.endpoint in _private(app), f"{rule.rule} is not private"


@pytest.mark.parametrize("status", STATUSES)
def test_every_route_answers_every_outcome_with_the_same_headers(app, status):
    app.testing, found, client = False, [], app.test_client()
    private = _private(app)
    csrf = desk.log_in(client, Role.ADMIN)
    _force(app, status)
    for rule in _rules(app):
        for method in sorted(rule.methods & {"GET", "POST"}):
            data = {"csrf": csrf} if method == "POST" else None
            with client.open(_path(rule), method=method, data=data) as answer:
                assert answer.status_code == status, rule.rule
                assert b"secret" not in answer.data
                found += _complaints(rule, status, answer.headers, is_private=rule.endpoint in private)
    assert found == []


def test_over_https_every_route_insists_on_it(room, configured):
    app = factory.create_app(test_security._production(configured))
    app.testing, client, private = False, app.test_client(), _private(app)
    _force(app, 200)
    for rule in _rules(app):
        if not _is_desk(rule):
            method = "GET" if "GET" in rule.methods else "POST"
            with client.open(_path(rule), method=method) as answer:
                is_private = rule.endpoint in private
                assert _complaints(rule, 200, answer.headers, is_private=is_private, is_secure=True) == []
    test_security._close(app)


def test_a_wrong_method_at_an_address_with_a_token_tells_no_other_site(app, client):
    for rule in _rules(app):
        if "<token>" in rule.rule:
            headers = client.delete(_path(rule)).headers
            assert (headers["Referrer-Policy"], headers["Cache-Control"]) == (NO_REFERRER, "no-store")
            assert client.open(_path(rule), method="TRACE").status_code == 405
