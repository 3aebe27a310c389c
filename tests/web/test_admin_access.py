"""Who reaches what on the desk: every rule of the map, every role, every forged request."""

import io
import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from newsletter import clock, db, factory, settings, signing
from newsletter.articles import pages, polling
from newsletter.audience import importing, imports
from newsletter.errors import FetchRefused
from newsletter.issues import blocks
from newsletter.issues.blocks import Draft
from newsletter.issues.editing import Hand
from newsletter.issues.models import BlockKind, Issue
from newsletter.outbox import queue, suppression
from newsletter.outbox.models import Policy, SuppressionReason
from newsletter.publication import topics
from newsletter.staff import editors, notices, sessions
from newsletter.staff.models import EditorSession, Role
from tests.web import desk

# The least role of every rule; None: reached before login. A rule that is not here fails the first test.
LEAST: dict[tuple[str, str], Role | None] = {
    ("GET", "/admin/login"): None,
    ("POST", "/admin/login"): None,
    ("GET", "/admin/setup/<token>"): None,
    ("POST", "/admin/setup/<token>"): None,
    ("POST", "/admin/login/code"): None,
    ("POST", "/admin/logout"): Role.WRITER,
    ("POST", "/admin/proof"): Role.WRITER,
    ("GET", "/admin/account"): Role.WRITER,
    ("POST", "/admin/account/name"): Role.WRITER,
    ("POST", "/admin/account/password"): Role.WRITER,
    ("POST", "/admin/account/newsletters"): Role.WRITER,
    ("POST", "/admin/account/sessions/end"): Role.WRITER,
    ("POST", "/admin/account/sessions/<int:session_id>/end"): Role.WRITER,
    ("GET", "/admin/account/two-step"): Role.WRITER,
    ("POST", "/admin/account/two-step"): Role.WRITER,
    ("POST", "/admin/account/two-step/off"): Role.WRITER,
    ("POST", "/admin/account/two-step/recovery-codes"): Role.WRITER,
    ("GET", "/admin"): Role.WRITER,
    ("GET", "/admin/sending"): Role.WRITER,
    ("POST", "/admin/notices/<int:notice_id>/seen"): Role.WRITER,
    ("POST", "/admin/runs/<int:run_id>/resume"): Role.EDITOR,
    ("GET", "/admin/issues"): Role.WRITER,
    ("POST", "/admin/newsletters/<slug>/issues"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/figures"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/figures"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/preflight"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/preflight"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/progress"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/preview"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/preview/mail"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/preview/reader"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/preview/test"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/stories/<int:article_id>"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/words"): Role.WRITER,
    ("GET", "/admin/issues/<int:issue_id>/meanwhile"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/arrivals"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/undo"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/blocks"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/blocks/<int:block_id>"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/blocks/<int:block_id>/removal"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/stories/<int:article_id>/words"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/approval"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/undoing"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/draft"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/schedule"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/release"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/release"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/pause"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/resume"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/cancellation"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/cancellation"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/messages"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/resending"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/resending"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/uncertain"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/uncertain"): Role.EDITOR,
    ("POST", "/admin/issues/<int:issue_id>/going-on"): Role.EDITOR,
    ("GET", "/admin/issues/<int:issue_id>/correction"): Role.WRITER,
    ("POST", "/admin/issues/<int:issue_id>/correction"): Role.EDITOR,
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
    ("GET", "/admin/articles/new"): Role.WRITER,
    ("POST", "/admin/articles/new"): Role.WRITER,
    ("GET", "/admin/articles/<int:article_id>"): Role.WRITER,
    ("GET", "/admin/articles/<int:article_id>/preview"): Role.WRITER,
    ("POST", "/admin/articles/<int:article_id>/words"): Role.WRITER,
    ("POST", "/admin/articles/<int:article_id>/words/release"): Role.WRITER,
    ("POST", "/admin/articles/<int:article_id>/place"): Role.WRITER,
    ("GET", "/admin/articles/<int:article_id>/issues/<int:issue_id>/reach"): Role.WRITER,
    ("POST", "/admin/articles/<int:article_id>/issues/<int:issue_id>/note"): Role.WRITER,
    ("GET", "/admin/articles/<int:article_id>/withdrawal"): Role.EDITOR,
    ("POST", "/admin/articles/<int:article_id>/withdrawal"): Role.EDITOR,
    ("GET", "/admin/feeds"): Role.WRITER,
    ("POST", "/admin/feeds"): Role.PUBLISHER,
    ("GET", "/admin/feeds/<int:feed_id>"): Role.WRITER,
    ("POST", "/admin/feeds/<int:feed_id>"): Role.PUBLISHER,
    ("POST", "/admin/feeds/<int:feed_id>/trial"): Role.WRITER,
    ("POST", "/admin/feeds/<int:feed_id>/fetches"): Role.WRITER,
    ("POST", "/admin/feeds/<int:feed_id>/pause"): Role.PUBLISHER,
    ("GET", "/admin/newsletters"): Role.WRITER,
    ("GET", "/admin/newsletters/new"): Role.PUBLISHER,
    ("POST", "/admin/newsletters"): Role.PUBLISHER,
    ("GET", "/admin/newsletters/new/meaning"): Role.WRITER,
    ("POST", "/admin/newsletters/<slug>/pause"): Role.PUBLISHER,
    ("GET", "/admin/topics"): Role.WRITER,
    ("POST", "/admin/topics"): Role.PUBLISHER,
    ("POST", "/admin/topics/<slug>/name"): Role.PUBLISHER,
    ("POST", "/admin/topics/<slug>/place"): Role.PUBLISHER,
    ("GET", "/admin/newsletters/<slug>"): Role.PUBLISHER,
    ("POST", "/admin/newsletters/<slug>"): Role.PUBLISHER,
    ("GET", "/admin/box"): Role.WRITER,
    ("GET", "/admin/readers"): Role.EDITOR,
    ("GET", "/admin/readers/<int:reader_id>"): Role.EDITOR,
    ("POST", "/admin/readers/<int:reader_id>/suppression"): Role.PUBLISHER,
    ("POST", "/admin/readers/<int:reader_id>/ending"): Role.EDITOR,
    ("GET", "/admin/readers/<int:reader_id>/erasure"): Role.PUBLISHER,
    ("POST", "/admin/readers/<int:reader_id>/erasure"): Role.PUBLISHER,
    ("GET", "/admin/readers/<int:reader_id>/proof"): Role.EDITOR,
    ("GET", "/admin/readers/<int:reader_id>/proof.json"): Role.EDITOR,
    ("POST", "/admin/readers/export"): Role.PUBLISHER,
    ("GET", "/admin/readers/imports"): Role.PUBLISHER,
    ("POST", "/admin/readers/imports"): Role.PUBLISHER,
    ("GET", "/admin/readers/imports/<int:import_id>"): Role.PUBLISHER,
    ("GET", "/admin/readers/imports/<int:import_id>/progress"): Role.PUBLISHER,
    ("GET", "/admin/readers/imports/<int:import_id>/refused.csv"): Role.PUBLISHER,
    ("POST", "/admin/readers/imports/<int:import_id>/start"): Role.PUBLISHER,
    ("POST", "/admin/readers/imports/<int:import_id>/discard"): Role.PUBLISHER,
    ("GET", "/admin/suppressions"): Role.EDITOR,
    ("POST", "/admin/suppressions"): Role.EDITOR,
    ("GET", "/admin/suppressions/<int:suppression_id>"): Role.EDITOR,
    ("POST", "/admin/suppressions/<int:suppression_id>/lifting"): Role.PUBLISHER,
    ("GET", "/admin/settings"): Role.WRITER,
    ("GET", "/admin/masthead"): Role.WRITER,
    ("POST", "/admin/masthead"): Role.PUBLISHER,
    ("POST", "/admin/masthead/logo"): Role.PUBLISHER,
    ("GET", "/admin/masthead/sample"): Role.WRITER,
    ("GET", "/admin/masthead/accent"): Role.WRITER,
    ("GET", "/admin/mail"): Role.WRITER,
    ("POST", "/admin/mail/tests"): Role.PUBLISHER,
    ("GET", "/admin/figures"): Role.WRITER,
    ("GET", "/admin/figures/growth.csv"): Role.WRITER,
    ("GET", "/admin/figures/issues.csv"): Role.WRITER,
    ("GET", "/admin/texts"): Role.WRITER,
    ("POST", "/admin/texts"): Role.PUBLISHER,
    ("GET", "/admin/texts/readers"): Role.PUBLISHER,
    ("GET", "/admin/texts/<kind>/<language>/<int:number>"): Role.WRITER,
    ("POST", "/admin/texts/review"): Role.PUBLISHER,
    ("GET", "/admin/editors"): Role.ADMIN,
    ("POST", "/admin/editors"): Role.ADMIN,
    ("POST", "/admin/editors/<int:editor_id>/link"): Role.ADMIN,
    ("POST", "/admin/editors/<int:editor_id>/role"): Role.ADMIN,
    ("POST", "/admin/editors/<int:editor_id>/departure"): Role.ADMIN,
    ("POST", "/admin/editors/<int:editor_id>/two-step/reset"): Role.ADMIN,
}
BEHIND_LOGIN = [key for key, least in LEAST.items() if least is not None]
POSTS = [rule for method, rule in BEHIND_LOGIN if method == "POST"]


# What is dangerous: whoever sits there shows again who they are. A mark that is lost, or not listed, fails a test.
PROVED = {
    ("GET", "/admin/account/two-step"),
    ("POST", "/admin/account/two-step"),
    ("POST", "/admin/account/two-step/off"),
    ("POST", "/admin/account/two-step/recovery-codes"),
    ("POST", "/admin/readers/<int:reader_id>/suppression"),
    ("POST", "/admin/readers/<int:reader_id>/ending"),
    ("POST", "/admin/readers/<int:reader_id>/erasure"),
    ("POST", "/admin/readers/export"),
    ("POST", "/admin/suppressions/<int:suppression_id>/lifting"),
    ("POST", "/admin/texts"),
    ("POST", "/admin/editors"),
    ("POST", "/admin/editors/<int:editor_id>/link"),
    ("POST", "/admin/editors/<int:editor_id>/role"),
    ("POST", "/admin/editors/<int:editor_id>/departure"),
    ("POST", "/admin/editors/<int:editor_id>/two-step/reset"),
}
# What a rule's parts are when nothing of this kind is there; numbers are beyond what the magazine holds.
MISSING = {"slug": "nothing", "on": "2026-02-30"}
# Rules that answer as if all were well where there is nothing, or where it is not there.
HARMLESS = {("POST", "/admin/notices/<int:notice_id>/seen"): 303}
FORM = {"version": "3", "do": "pin", "role": "writer", "way": "asked", "url": "https://magazine.example/x"}


@pytest.fixture
def world(room, monkeypatch) -> dict[str, Any]:
    """Something for every rule to be about; the value of each of its parts."""

    def refuse(*_given: Any, **_named: Any) -> None:
        raise FetchRefused

    monkeypatch.setattr(pages, "read", refuse)
    monkeypatch.setattr(polling, "look", refuse)
    monkeypatch.setattr(polling, "poll", lambda feed_id: polling.Report(feed_id, error="Not here."))
    desk.magazine()
    # Rules name newsletters and topics alike by <slug>: here one of each has it.
    topics.add("daily", "Day by day")
    db.session.commit()
    brought = _brought()
    other, token = editors.add("somebody@magazine.example", Role.EDITOR)
    editors.add("second@magazine.example", Role.ADMIN)
    (*_, notice) = notices.tell("key", subject="Told", text="Something.")
    stopped = suppression.suppress("complainer@readers.example", SuppressionReason.COMPLAINT)
    db.session.commit()
    issue_id = desk.issue("weekly")
    return {
        "suppression_id": stopped.id,
        "import_id": brought,
        "issue_id": issue_id,
        "block_id": _block(issue_id),
        "article_id": 1,
        "slug": "daily",
        "kind": "terms",
        "language": "en",
        "number": 1,
        "reader_id": 1,
        "feed_id": 1,
        "editor_id": other.id,
        "notice_id": notice.id,
        "run_id": _paused_run(),
        "token": token,
        "session_id": _session_of("second@magazine.example"),
        "on": (clock.now() + timedelta(days=10)).date().isoformat(),
    }


def _session_of(address: str) -> int:
    editor = editors.find(address)
    assert editor is not None
    session = sessions.find(sessions.start(editor))
    assert session is not None
    db.session.commit()
    return session.id


def _with_own(world: dict[str, Any], role: Role) -> dict[str, Any]:
    """The world with what belongs to one person being this editor's own."""
    editor = editors.find(f"{role.value}@magazine.example")
    assert editor is not None
    notice = notices.tell_one(editor, "own", subject="Told", text="Something.")
    assert notice is not None
    own = {"notice_id": notice.id, "session_id": _session_of(editor.address)}
    db.session.commit()
    return world | own


def _brought() -> int:
    rows = io.BytesIO(b"email\nnora@readers.example\n")
    found = imports.bring(rows, name="readers.csv", actor="test", choice=importing.Choice())
    found_id = found.id
    # A job: it ends the session it finds.
    imports.work(found_id)
    return found_id


def _block(issue_id: int) -> int:
    note = blocks.add(db.session.get_one(Issue, issue_id), Draft(BlockKind.NOTE, markdown="Dear readers"), Hand("test"))
    block_id = note.id
    db.session.commit()
    return block_id


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
    assert "<" not in rule, f"the world of these tests holds nothing for {rule}"
    return rule


def _paths_to_nothing(rule: str, own: dict[str, Any], world: dict[str, Any]) -> list[str]:
    """The rule's path with one part after another that is not there, or is another person's, the others being there."""
    parts = re.findall(r"<(?:int:)?(\w+)>", rule)
    nothing = [{part: MISSING.get(part, 987_654)} for part in parts]
    others = [{part: world[part]} for part in parts if world[part] != own[part]]
    return [_path(rule, own | each) for each in nothing + others]


@pytest.fixture
def still(world) -> Iterator["Still"]:
    """The world's database, to be found changed or not, and put back as it was."""
    db.session.rollback()
    made = Still(db.extension.engine.url.database or "")
    yield made
    made.close()


class Still:
    """A SQLite file as it was at first, told apart from what it became."""

    def __init__(self, path: str) -> None:
        self._live, self._kept = sqlite3.connect(path), sqlite3.connect(":memory:")
        self._live.execute("PRAGMA synchronous=OFF")
        self.keep()

    def keep(self) -> None:
        """What stands there now is how it is to be."""
        self._live.backup(self._kept)
        self._seen = self._version()

    def was_written(self) -> bool:
        """Whether anybody wrote since, be it the same again; then it is put back."""
        if self._version() == self._seen:
            return False
        self._kept.backup(self._live)
        self._seen = self._version()
        return True

    def close(self) -> None:
        self._live.close()
        self._kept.close()

    def _version(self) -> int:
        # Changes with every commit of another connection that changed the file (sqlite.org/pragma.html).
        return int(self._live.execute("PRAGMA data_version").fetchone()[0])


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


def _outsiders(client: FlaskClient, world: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Cookies that open nothing, or nothing any more, each with the form token of its session."""
    found = {"nobody": ("", ""), "a guess": ("x" * 43, signing.sign("csrf", 1)), "a link": (world["token"], "")}
    for name in ("ended", "idle", "too old", "gone"):
        token = desk.log_in(client, Role.ADMIN)
        cookie = client.get_cookie("session").value
        found[name] = (cookie, token)
        session = sessions.find(cookie)
        assert session is not None
        if name == "ended":
            sessions.end(session)
        elif name == "idle":
            session.seen_at -= settings.current().session_idle
        elif name == "too old":
            session.created_at -= settings.current().session_lifetime
        else:
            editors.deactivate(session.editor)
        db.session.commit()
        if name != "gone":
            assert sessions.find(cookie) is None
            db.session.rollback()
    return found


def test_who_is_not_logged_in_is_led_to_the_login_by_every_page_and_changes_nothing(client, world, still):
    wrong = []
    outsiders = _outsiders(client, world)
    still.keep()
    for who, (cookie, token) in outsiders.items():
        client.set_cookie("session", cookie)
        for method, rule in BEHIND_LOGIN:
            # Whoever is nobody is not even told what there is.
            for path in (_path(rule, world), *(_paths_to_nothing(rule, world, world) if who == "nobody" else ())):
                answer = client.open(
                    path, method=method, data={"csrf": token} if method == "POST" else None, buffered=True
                )
                is_led = answer.status_code == 303 and answer.location.startswith("/admin/login")
                if not is_led or still.was_written():
                    wrong.append((who, method, path, answer.status))
    assert wrong == []


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reaches_what_is_its_own_and_nothing_more(client, world, still, role):
    token = desk.log_in(client, role)
    cookie = client.get_cookie("session").value
    own = _with_own(world, role)
    still.keep()
    wrong = []
    for method, rule in BEHIND_LOGIN:
        least = LEAST[method, rule]
        assert least is not None
        client.set_cookie("session", cookie)
        may = list(Role).index(role) >= list(Role).index(least)
        form = FORM | {"csrf": token} if method == "POST" else None
        answer = client.open(_path(rule, own), method=method, data=form, buffered=True)
        if not _is_right(method, answer, may=may) or (still.was_written() and (not may or method == "GET")):
            wrong.append((method, rule, answer.status))
        for path in _paths_to_nothing(rule, own, world):
            answer = client.open(path, method=method, data=form, buffered=True)
            expected = HARMLESS.get((method, rule), 404) if may else 403
            if answer.status_code != expected or still.was_written():
                wrong.append((method, path, answer.status))
    assert wrong == []


def _is_right(method: str, answer: Any, *, may: bool) -> bool:
    if not may:
        return bool(answer.status_code == 403)
    if method == "GET":
        return bool(answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store")
    return answer.status_code < 500 and answer.status_code not in (400, 403, 404, 405)


def test_other_methods_than_those_listed_do_nothing(client, world, still):
    token = desk.log_in(client, Role.ADMIN)
    still.keep()
    wrong = []
    listed: dict[str, set[str]] = {}
    for method, rule in LEAST:
        listed.setdefault(_path(rule, world), set()).add(method)
    for path, methods in listed.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE"} - methods:
            answer = client.open(path, method=method, data={"csrf": token}, buffered=True)
            # Not found: another rule takes this method and finds nothing of this name.
            if answer.status_code not in (404, 405) or still.was_written():
                wrong.append((method, path, answer.status))
        answer = client.options(path, buffered=True)
        if answer.status_code != 200 or not set(answer.allow) <= {*methods, "HEAD", "OPTIONS", "POST"}:
            wrong.append(("OPTIONS", path, answer.headers.get("Allow")))
    assert wrong == []


def test_a_forged_post_is_refused_everywhere_and_changes_nothing(client, app, world, still):
    other = app.test_client()
    others = desk.log_in(other, Role.ADMIN)
    mine = desk.log_in(client, Role.ADMIN)
    still.keep()
    anonymous = signing.sign_dated("csrf-anonymous", "")
    forgeries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"csrf": others}, {}),
        ({"csrf": mine[:-1] + ("A" if mine[-1] != "A" else "B")}, {}),
        ({"csrf": anonymous}, {}),
        ({"csrf": mine}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": mine}, {"Sec-Fetch-Site": "same-site"}),
        ({"csrf": mine}, {"Sec-Fetch-Site": "none"}),
        ({"csrf": mine}, {"Origin": "https://evil.example"}),
        ({"csrf": mine}, {"Origin": "null"}),
        ({"csrf": mine}, {"Origin": "http://127.0.0.1:8000.evil.example"}),
    ]
    wrong = []
    for number, rule in enumerate(POSTS):
        # One guard refuses them all: some at every rule, each of them at the first.
        for fields, headers in forgeries if number == 0 else forgeries[:3] + forgeries[5:6]:
            answer = client.post(_path(rule, world), data=FORM | fields, headers=headers, buffered=True)
            if answer.status_code != 403 or still.was_written():
                wrong.append((rule, fields, headers, answer.status))
        # What stands in the address is no form: a link cannot carry the token.
        answer = client.post(f"{_path(rule, world)}?csrf={mine}", data=FORM, buffered=True)
        if answer.status_code != 403 or still.was_written():
            wrong.append((rule, "in the address", answer.status))
    assert wrong == []


def test_a_forged_form_before_login_is_refused_too(client, world, still):
    mine = desk.log_in(client, Role.ADMIN)
    still.keep()
    with time_machine.travel(clock.now() - timedelta(hours=13)):
        old = signing.sign_dated("csrf-anonymous", "")
    good = signing.sign_dated("csrf-anonymous", "")
    forgeries: list[tuple[str, dict[str, str]]] = [
        ("", {}),
        (mine, {}),
        (old, {}),
        (good[:-1] + ("A" if good[-1] != "A" else "B"), {}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Origin": "https://evil.example"}),
    ]
    wrong = []
    for rule in [rule for (method, rule), least in LEAST.items() if method == "POST" and least is None]:
        for token, headers in forgeries:
            answer = client.post(_path(rule, world), data=FORM | {"csrf": token}, headers=headers, buffered=True)
            if answer.status_code != 403 or still.was_written():
                wrong.append((rule, token, headers, answer.status))
    assert wrong == []


def test_every_dangerous_act_asks_again_who_one_is_and_does_nothing_meanwhile(app, client, world, still):
    marked = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if hasattr(app.view_functions[rule.endpoint], "asks_for_proof")
    }
    assert marked == PROVED
    token = desk.log_in(client, Role.ADMIN)
    session = sessions.find(client.get_cookie("session").value)
    assert session is not None
    session.proved_at -= settings.current().reauthenticate
    db.session.commit()
    still.keep()
    wrong = []
    for method, rule in sorted(PROVED):
        form = FORM | {"csrf": token} if method == "POST" else None
        answer = client.open(_path(rule, world), method=method, data=form, buffered=True)
        if "Is it still you?" not in answer.text or answer.status_code not in (200, 403) or still.was_written():
            wrong.append((method, rule, answer.status))
    assert wrong == []


def test_the_sites_own_origins_pass(client, world):
    token = desk.log_in(client, Role.ADMIN)
    path = _path("/admin/notices/<int:notice_id>/seen", world)
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://localhost"},
    ):
        assert client.post(path, data={"csrf": token}, headers=headers, buffered=True).status_code == 303


@pytest.mark.parametrize(
    "variant", ["/admin/issues/", "//admin/issues", "/ADMIN/issues", "/admin/./issues", "/admin//issues"]
)
def test_other_spellings_of_an_address_open_nothing(client, world, variant):
    assert client.get(variant, buffered=True).status_code in (301, 303, 308, 404)


def test_reading_changes_nothing_whatever_is_read(client, world, still):
    desk.log_in(client, Role.ADMIN)
    still.keep()
    for method, rule in LEAST:
        if method == "GET":
            client.head(_path(rule, world), buffered=True)
            override = {"X-HTTP-Method-Override": "POST"}
            client.get(_path(rule, world) + "?_method=POST", headers=override, buffered=True)
            assert not still.was_written(), rule


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
