"""One's own account and the staff's page: codes at login, sessions, proof before dangerous acts, resets."""

import dataclasses
import json
import re
from datetime import timedelta

import argon2
import pyotp
import pytest
import time_machine
from sqlalchemy import select

from newsletter import clock, db, settings, signing
from newsletter.outbox.models import Message
from newsletter.staff import audit, editors, following, passwords, recovery, sessions, totp
from newsletter.staff.models import AuditEntry, Notice, Role
from tests.web import desk

GOOD = "a quiet river in autumn"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture(autouse=True)
def _cheap_hashing(monkeypatch):
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def time(room):
    with time_machine.travel(clock.now(), tick=False) as travelled:
        yield travelled


def _person(role=Role.ADMIN):
    editor, token = editors.add(f"{role.value}@magazine.example", role)
    editors.set_password(token, GOOD)
    db.session.commit()
    return editor.id


def _log_in(client, address="admin@magazine.example", **fields):
    form = {"csrf": signing.sign_dated("csrf-anonymous", ""), "address": address, "password": GOOD, **fields}
    return client.post("/admin/login", data=form, headers={"User-Agent": AGENT})


def _hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page).group(1)


def _post(client, path, **fields):
    csrf = _hidden(client.get("/admin/account").text, "csrf")
    return client.post(path, data={"csrf": csrf, **fields}, headers={"User-Agent": AGENT})


def _set_up(client):
    """Turn two-step login on; the app and the recovery codes shown."""
    page = client.get("/admin/account/two-step").text
    app = pyotp.TOTP(re.search(r"<code>([A-Z2-7 ]+)</code>", page).group(1).replace(" ", ""))
    done = _post(client, "/admin/account/two-step", sealed=_hidden(page, "sealed"), code=app.now())
    assert done.status_code == 200
    return app, re.findall(r"<code>([a-z0-9-]+)</code>", done.text)


def test_two_step_login_is_set_up_with_a_picture_a_key_and_one_code(client, time):
    editor_id = _person()
    _log_in(client)
    page = client.get("/admin/account/two-step")
    assert page.headers["Cache-Control"] == "no-store"
    assert '<svg viewBox="0 0 ' in page.text
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text).group(1)
    assert "issuer=" in page.text
    wrong = _post(client, "/admin/account/two-step", sealed=_hidden(page.text, "sealed"), code="000000")
    assert wrong.status_code == 422
    assert secret in wrong.text, "the app that was set up stays right"
    assert not totp.is_on(editor_id)
    foreign = totp.offer(editors.add("other@magazine.example", Role.EDITOR)[0])
    db.session.commit()
    assert _post(client, "/admin/account/two-step", sealed=foreign.sealed, code="000000").status_code == 422
    app, codes = _set_up(client)
    assert len(codes) == 10
    assert client.get("/admin/account/two-step").location == "/admin/account#two-step"
    assert app.secret not in json.dumps([[row.before, row.after] for row in db.session.scalars(select(AuditEntry))])
    assert "Two-step login was turned on" in db.session.scalars(select(Notice.subject)).all()


def test_the_login_asks_for_a_code_after_the_password_and_keeps_the_page_one_wanted(client, time):
    _person()
    _log_in(client)
    app, codes = _set_up(client)
    client.delete_cookie("session")
    time.shift(timedelta(minutes=2))
    asked = _log_in(client, next="/admin/issues?state=draft")
    assert (asked.status_code, client.get_cookie("session")) == (200, None)
    ticket = _hidden(asked.text, "ticket")
    form = {"csrf": _hidden(asked.text, "csrf"), "ticket": ticket, "next": _hidden(asked.text, "next")}
    refused = client.post("/admin/login/code", data=form | {"code": "000000"})
    assert refused.status_code == 422
    assert _hidden(refused.text, "next") == "/admin/issues?state=draft"
    client.set_cookie("session", ticket)
    assert client.get("/admin").status_code == 303, "a ticket is no session"
    opened = client.post("/admin/login/code", data=form | {"code": app.now()})
    assert (opened.status_code, opened.location) == (303, "/admin/issues?state=draft")
    assert client.post("/admin/login/code", data=form | {"code": app.now()}).status_code == 422, "taken already"
    assert client.post("/admin/login/code", data=form | {"code": codes[0]}).status_code == 303
    assert client.post("/admin/login/code", data=form | {"ticket": "x", "code": codes[1]}).status_code == 422


def test_a_one_time_link_stands_for_the_password_alone(client, time):
    editor_id = _person()
    _log_in(client)
    _set_up(client)
    client.delete_cookie("session")
    token = editors.invite(editors.get(editor_id))
    db.session.commit()
    form = {"csrf": signing.sign_dated("csrf-anonymous", ""), "password": GOOD + " again"}
    answer = client.post(f"/admin/setup/{token}", data=form)
    assert (answer.location, client.get_cookie("session")) == ("/admin/login", None)


def test_who_must_have_it_reaches_nothing_else_until_it_is_set_up_and_cannot_turn_it_off(client, time):
    _person()
    settings.use(dataclasses.replace(settings.current(), totp_required="publishers"))
    _log_in(client)
    for path in ("/admin", "/admin/editors", "/admin/account"):
        assert client.get(path).location == "/admin/account/two-step"
    page = client.get("/admin/account/two-step").text
    csrf = _hidden(page, "csrf")
    assert client.post("/admin/account/name", data={"csrf": csrf}).location == "/admin/account/two-step"
    app = pyotp.TOTP(re.search(r"<code>([A-Z2-7 ]+)</code>", page).group(1).replace(" ", ""))
    form = {"csrf": csrf, "sealed": _hidden(page, "sealed"), "code": app.now()}
    assert client.post("/admin/account/two-step", data=form).status_code == 200
    assert client.get("/admin").status_code == 200
    assert _post(client, "/admin/account/two-step/off").status_code == 409
    assert "Turn it off" not in client.get("/admin/account").text


def test_sessions_are_listed_in_words_and_end_one_by_one_or_all_but_this(app, client, time):
    editor_id = _person()
    editor = editors.get(editor_id)
    for address in ("192.0.2.77", "2001:db8:1:2::3", "nonsense"):
        sessions.start(editor, agent="<b>curl</b>/8", source_address=address)
    other = sessions.start(editors.add("other@magazine.example", Role.EDITOR)[0], agent=AGENT)
    db.session.commit()
    _log_in(client)
    page = client.get("/admin/account").text
    assert "Firefox, Linux" in page
    assert "192.0.2.0/24" in page
    assert "2001:db8:1::/48" in page
    assert "192.0.2.77" not in page
    assert page.count("An unknown browser") == 3
    first = int(re.search(r"/admin/account/sessions/(\d+)/end", page).group(1))
    assert _post(client, f"/admin/account/sessions/{first}/end").status_code == 303
    assert len(sessions.of(editor_id)) == 3
    assert _post(client, f"/admin/account/sessions/{sessions.find(other).id}/end").status_code == 404
    assert _post(client, "/admin/account/sessions/end").status_code == 303
    assert len(sessions.of(editor_id)) == 1
    assert sessions.find(other)
    assert client.get("/admin").status_code == 200


def test_a_password_is_changed_knowing_the_present_one_and_other_sessions_end(app, client, time):
    editor_id = _person()
    second = app.test_client()
    _log_in(second)
    _log_in(client)
    wrong = _post(client, "/admin/account/password", present="wrong", password=GOOD + " again")
    assert wrong.status_code == 422
    assert 'aria-describedby=" f-present-problem"' in wrong.text
    assert GOOD not in wrong.text
    assert _post(client, "/admin/account/password", present=GOOD, password="short").status_code == 422
    assert _post(client, "/admin/account/password", present=GOOD, password=GOOD + " again").status_code == 303
    assert second.get("/admin").status_code == 303
    assert client.get("/admin").status_code == 200
    assert _log_in(second).status_code == 422
    assert "Your password was changed" in db.session.scalars(select(Notice.subject)).all()
    assert audit.of(f"editor {editor_id}")[0].action == "password changed"


def test_name_and_followed_newsletters_are_ones_own_to_choose(client, time):
    desk.magazine()
    editor_id = _person(Role.WRITER)
    _log_in(client, "writer@magazine.example")
    assert _post(client, "/admin/account/name", name="  Ida   Vale ").status_code == 303
    assert "Ida Vale" in client.get("/admin").text
    long = _post(client, "/admin/account/name", name="x" * 101)
    assert (long.status_code, "x" * 101 in long.text) == (422, True)
    assert _post(client, "/admin/account/newsletters", newsletter=["daily", "nothing"]).status_code == 303
    assert following.followed(editor_id) == {"daily"}


def test_a_dangerous_act_asks_who_one_is_and_goes_on_with_what_was_typed(client, time):
    _person()
    _log_in(client)
    time.shift(settings.current().reauthenticate)
    fields = {"address": "new@magazine.example", "name": 'N "ew" <b>', "role": "writer", "password": "secret-typed"}
    asked = _post(client, "/admin/editors", **fields)
    assert asked.status_code == 403
    assert "secret-typed" not in asked.text
    assert editors.find("new@magazine.example") is None
    assert 'value="N &#34;ew&#34; &lt;b&gt;"' in asked.text
    form = {name: _hidden(asked.text, name) for name in ("csrf", "address", "role")} | {"name": fields["name"]}
    wrong = client.post("/admin/editors", data=form | {"proof_password": "wrong"})
    assert wrong.status_code == 422
    assert "The password is wrong." in wrong.text
    assert _hidden(wrong.text, "address") == "new@magazine.example"
    assert ">wrong<" not in wrong.text
    done = client.post("/admin/editors", data=form | {"proof_password": GOOD})
    assert done.status_code == 200
    assert editors.find("new@magazine.example").name == fields["name"]
    assert _post(client, "/admin/editors", address="third@magazine.example", role="writer").status_code == 200


def test_a_page_that_asks_first_is_reached_by_password_and_leads_nowhere_else(client, time):
    _person()
    _log_in(client)
    time.shift(settings.current().reauthenticate)
    page = client.get("/admin/account/two-step")
    assert "Is it still you?" in page.text
    form = {"csrf": _hidden(page.text, "csrf"), "next": _hidden(page.text, "next")}
    assert client.post("/admin/proof", data=form | {"proof_password": "x"}).status_code == 422
    assert client.post("/admin/proof", data=form | {"proof_password": GOOD}).location == "/admin/account/two-step"
    elsewhere = form | {"proof_password": GOOD, "next": "//evil.example/admin/"}
    assert client.post("/admin/proof", data=elsewhere).location == "/admin"
    for _ in range(settings.current().login_attempts):
        last = client.post("/admin/proof", data=form | {"proof_password": "x"})
    assert last.status_code == 429


def test_publishing_a_text_asks_only_when_readers_have_to_agree_again(client, time):
    _person()
    _log_in(client)
    time.shift(settings.current().reauthenticate)
    text = {"kind": "terms", "title": "Terms", "markdown": "Be kind.", "version": "1"}
    assert _post(client, "/admin/texts", way="asked", **text).status_code == 403
    assert _post(client, "/admin/texts", way="told", **text).status_code == 303


def test_an_admin_resets_a_colleagues_two_step_login_and_the_colleague_is_told(app, client, time):
    colleague_id = _person(Role.EDITOR)
    second = app.test_client()
    _log_in(second, "editor@magazine.example")
    _set_up(second)
    _person()
    _log_in(client)
    assert "two-step login" in client.get("/admin/editors").text
    assert _post(client, f"/admin/editors/{colleague_id}/two-step/reset").status_code == 303
    assert second.get("/admin").status_code == 303
    assert recovery.left(colleague_id) == 0
    assert not totp.is_on(colleague_id)
    told = db.session.scalars(select(Notice).filter_by(editor_id=colleague_id).order_by(Notice.id.desc())).first()
    assert told.text.startswith("admin@magazine.example reset it.")
    assert db.session.scalars(select(Message).filter_by(recipient_id=told.id)).one()
    assert audit.of(f"editor {colleague_id}")[0].actor == "admin@magazine.example"
    assert _post(client, f"/admin/editors/{colleague_id}/two-step/reset").status_code == 409


def test_an_invitation_says_until_when_it_works_and_is_cancelled(client, time):
    admin_id = _person()
    _log_in(client)
    page = _post(client, "/admin/editors", address="new@magazine.example", role="writer").text
    assert "the invitation works until" in page
    assert "Cancel the invitation" in page
    token = re.search(r"/admin/setup/([\w-]+)", page).group(1)
    new_id = editors.find("new@magazine.example").id
    time.shift(settings.current().setup_lifetime)
    _log_in(client)
    assert "the invitation has run out" in client.get("/admin/editors").text
    again = re.search(r"/admin/setup/([\w-]+)", _post(client, f"/admin/editors/{new_id}/link").text).group(1)
    assert client.get(f"/admin/setup/{token}").status_code == 404
    assert client.get(f"/admin/setup/{again}").status_code == 200
    assert _post(client, f"/admin/editors/{new_id}/departure").status_code == 303
    assert client.get(f"/admin/setup/{again}").status_code == 404
    for act, fields in (("role", {"role": "writer"}), ("departure", {})):
        assert _post(client, f"/admin/editors/{admin_id}/{act}", **fields).status_code == 409


def test_commands_do_what_the_staffs_page_does(app, client, time):
    editor_id = _person(Role.EDITOR)
    _log_in(client, "editor@magazine.example")
    _set_up(client)

    def run(*words):
        answer = app.test_cli_runner().invoke(args=["newsletter", "editor", *words, "--json"])
        return json.loads(answer.output) if answer.exit_code == 0 else answer.output

    assert run("list")["editors"][0] == {
        "editor": editor_id,
        "address": "editor@magazine.example",
        "name": "",
        "role": "editor",
        "active": True,
        "totp": True,
    }
    assert run("log-out", "editor@magazine.example")["ended"] == 1
    assert run("totp", "reset", "editor@magazine.example")["editor"] == editor_id
    assert "has no two-step login" in run("totp", "reset", "editor@magazine.example")
    assert run("role", "editor@magazine.example", "admin")["role"] == "admin"
    assert "Somebody has to stay admin" in run("remove", "editor@magazine.example")
    run("add", "second@magazine.example", "--role", "admin")
    assert run("remove", "editor@magazine.example")["editor"] == editor_id
    assert "No editor has this address" in run("remove", "nobody@magazine.example")
