"""The people who work here: one-time links, passwords, sessions, limits, roles, notices, the audit log."""

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta

import argon2
import pytest
import time_machine
from sqlalchemy import func, select

from newsletter import clock, db, errors, settings, signing
from newsletter.mail import slots
from newsletter.outbox import composers
from newsletter.outbox.models import Message, Run
from newsletter.staff import audit, editors, entrance, letters, notices, passwords, roles, sessions
from newsletter.staff.models import AuditEntry, EditorSession, Notice, Role, SetupLink
from newsletter.staff.roles import Action
from tests.conftest import both_engines

GOOD = "a quiet river in autumn"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _cheap_hashing(monkeypatch):
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def _editor(address="ed@magazine.example", role=Role.EDITOR):
    editor, token = editors.add(address, role)
    editors.set_password(token, GOOD)
    db.session.commit()
    return editor


@both_engines
def test_a_one_time_link_works_once_and_only_its_digest_is_kept(room):
    editor, token = editors.add(" Ed@Magazine.EXAMPLE ", Role.ADMIN, name="Ed")
    db.session.commit()
    stored = db.session.scalars(select(SetupLink)).one()
    assert token not in stored.digest
    assert editors.open_setup(token) is editor
    assert editors.open_setup(token) is editor, "looking uses nothing up"
    editors.set_password(token, GOOD)
    db.session.commit()
    with pytest.raises(errors.ExpiredToken):
        editors.set_password(token, GOOD)
    assert editor.address == "ed@magazine.example"


@both_engines
def test_a_new_link_replaces_the_older_one_and_an_old_one_expires(room):
    with time_machine.travel(NOW, tick=False):
        editor, first = editors.add("ed@magazine.example", Role.WRITER)
        again, second = editors.add("ED@magazine.example", Role.ADMIN)
    assert (again.id, again.role) == (editor.id, Role.WRITER), "who is here keeps the role"
    with time_machine.travel(NOW + settings.current().setup_lifetime - timedelta(seconds=1)):
        with pytest.raises(errors.ExpiredToken):
            editors.open_setup(first)
        assert editors.open_setup(second).id == editor.id
    with time_machine.travel(NOW + settings.current().setup_lifetime), pytest.raises(errors.ExpiredToken):
        editors.open_setup(second)
    with pytest.raises(errors.BadToken):
        editors.open_setup("x" + second)


def test_the_first_start_has_a_link_until_somebody_has_a_password(room):
    first, second = editors.first_setup_token(), editors.first_setup_token()
    with pytest.raises(errors.ExpiredToken):
        editors.open_setup(first)
    admin = editors.set_password(second, GOOD)
    assert (admin.role, admin.address) == (Role.ADMIN, "news@magazine.example")
    assert editors.first_setup_token() is None


@pytest.mark.parametrize(
    "password",
    ["short", "x" * 129, "aaaaaaaaaaaaaaaa", "abababababababab", "Password1234", "QWERTYUIOP12", "ed@magazine.example"],
)
def test_a_password_that_is_short_long_known_or_the_address_is_refused_and_the_link_still_works(room, password):
    _, token = editors.add("ed@magazine.example", Role.EDITOR)
    db.session.commit()
    with pytest.raises(errors.BadInput) as caught:
        editors.set_password(token, password)
    assert caught.value.field == "password"
    assert editors.open_setup(token)


@pytest.mark.parametrize("password", [GOOD, "ñandú " * 4, "пароль из слов", "x1y2" + " " * 20, "0123456789" * 12])
def test_any_other_characters_make_a_password_however_they_are_composed(room, password):
    _, token = editors.add("ed@magazine.example", Role.EDITOR)
    editors.set_password(token, password)
    db.session.commit()
    decomposed = password.replace("ñ", "n\u0303").replace("ú", "u\u0301")
    assert entrance.log_in("Ed@magazine.example", decomposed)


@both_engines
def test_a_session_is_known_by_its_cookie_until_it_is_ended(room):
    editor = _editor()
    cookie, other = (entrance.log_in(editor.address, GOOD, source_address="192.0.2.7") for _ in range(2))
    db.session.commit()
    found = sessions.find(cookie)
    assert found.editor_id == editor.id
    assert cookie not in found.digest
    assert cookie != other
    sessions.end(found)
    db.session.commit()
    assert sessions.find(cookie) is None
    assert sessions.find(other) is not None
    sessions.end_all(editor.id)
    assert sessions.find(other) is None
    assert sessions.find("") is None


@both_engines
def test_a_session_ends_idle_and_in_any_case_and_reading_keeps_it_alive(room):
    present = settings.current()
    with time_machine.travel(NOW, tick=False) as time:
        cookie = sessions.start(_editor())
        db.session.commit()
        time.shift(present.session_idle - timedelta(seconds=1))
        with db.reading():  # a page that is only read counts as well
            sessions.touch(sessions.find(cookie))
        db.session.rollback()
        time.shift(present.session_idle - timedelta(seconds=1))
        assert sessions.find(cookie) is not None
        time.shift(timedelta(seconds=1))
        assert sessions.find(cookie) is None
        again = sessions.start(_editor("other@magazine.example"))
        db.session.commit()
        for _ in range(20):
            time.shift(present.session_lifetime / 15)
            if sessions.find(again):
                sessions.touch(sessions.find(again))
        assert sessions.find(again) is None


def test_a_new_password_a_new_role_and_leaving_end_every_session(room):
    _editor("admin@magazine.example", Role.ADMIN)
    editor = _editor()
    for change in (
        lambda: editors.set_password(editors.invite(editor), GOOD + " again"),
        lambda: editors.change_role(editor, Role.WRITER),
        lambda: editors.deactivate(editor),
    ):
        cookie = sessions.start(editor)
        db.session.commit()
        change()
        db.session.commit()
        assert sessions.find(cookie) is None
    with pytest.raises(errors.BadInput):
        entrance.log_in(editor.address, GOOD + " again")


def test_the_last_admin_cannot_leave_or_step_down(room):
    admin = _editor("admin@magazine.example", Role.ADMIN)
    for change in (lambda: editors.change_role(admin, Role.EDITOR), lambda: editors.deactivate(admin)):
        with pytest.raises(errors.Conflict):
            change()
    _editor("second@magazine.example", Role.ADMIN)
    editors.deactivate(admin)
    assert editors.add("admin@magazine.example", Role.WRITER)[0].role == Role.WRITER, "who left comes back as given"


@both_engines
def test_an_unknown_address_is_answered_like_a_wrong_password_and_costs_a_hash_too(room, monkeypatch):
    _editor()
    asked = []
    monkeypatch.setattr(passwords, "is_right", lambda stored, password: bool(asked.append(stored)))
    said = set()
    for address in ("ed@magazine.example", "nobody@magazine.example", "not an address", ""):
        with pytest.raises(errors.BadInput) as caught:
            entrance.log_in(address, "wrong")
        said.add(caught.value.message)
    assert len(said) == 1
    assert len(asked) == 4
    assert asked[1:] == [passwords.NOBODY] * 3


def test_the_hash_of_nobody_takes_as_long_as_a_real_one():
    assert not argon2.PasswordHasher().check_needs_rehash(passwords.NOBODY)


@both_engines
def test_logins_are_limited_per_account_and_network_whether_the_account_exists_or_not(room, monkeypatch):
    _editor()
    limit = settings.current().login_attempts
    with time_machine.travel(NOW, tick=False) as time:
        for address in ("ed@magazine.example", "nobody@magazine.example"):
            for _ in range(limit):
                with pytest.raises(errors.BadInput):
                    entrance.log_in(address, "wrong", source_address="192.0.2.7")
            with pytest.raises(errors.Refused):
                entrance.log_in(address, GOOD, source_address="192.0.2.7")
        assert entrance.log_in("ed@magazine.example", GOOD, source_address="198.51.100.1"), (
            "the person elsewhere gets in"
        )
        time.shift(timedelta(minutes=15))
        assert entrance.log_in("ed@magazine.example", GOOD, source_address="192.0.2.7")


@pytest.mark.parametrize("addresses", [["192.0.2.7"], ["2001:db8::1", "2001:db8::2:3", "2001:db8:0:0:9::1"]])
def test_one_network_cannot_try_many_accounts(room, monkeypatch, addresses):
    monkeypatch.setattr(passwords, "is_right", lambda stored, password: False)
    refused = 0
    for number in range(settings.current().login_attempts_in_total + 5):
        try:
            entrance.log_in(f"x{number}@magazine.example", "x", source_address=addresses[number % len(addresses)])
        except errors.Refused:
            refused += 1
        except errors.BadInput:
            pass
    assert refused >= 4


def test_a_weaker_hash_is_made_anew_at_login(room, monkeypatch):
    editor = _editor()
    before = editor.password_hash
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    entrance.log_in(editor.address, GOOD)
    db.session.commit()
    assert editor.password_hash != before
    assert entrance.log_in(editor.address, GOOD)


def test_no_transaction_is_open_while_a_password_is_hashed(room, monkeypatch):
    editor = _editor()
    seen = []
    real = passwords.is_right
    monkeypatch.setattr(
        passwords, "is_right", lambda *given: seen.append(db.session().in_transaction()) or real(*given)
    )
    entrance.log_in(editor.address, GOOD)
    db.session.commit()
    hash_real = passwords.hashed
    monkeypatch.setattr(
        passwords, "hashed", lambda given: seen.append(db.session().in_transaction()) or hash_real(given)
    )
    editors.set_password(editors.invite(editor), GOOD)
    assert seen == [False, False]


def test_old_keys_still_open_sessions_and_links_after_rotation(room, configured):
    _, token = editors.add("ed@magazine.example", Role.EDITOR)
    cookie = sessions.start(_editor("other@magazine.example"))
    db.session.commit()

    settings.use(
        dataclasses.replace(
            configured,
            secret_key="another-key-of-more-than-32-characters",
            secret_key_fallbacks=(configured.secret_key,),
        )
    )
    assert sessions.find(cookie)
    assert editors.open_setup(token)


def test_roles_grow_and_a_writer_neither_approves_nor_sees_readers():
    allowed = [roles.PERMISSIONS[role] for role in Role]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(allowed))
    assert not roles.allows(Role.WRITER, Action.PUBLISH)
    assert not roles.allows(Role.WRITER, Action.READERS)
    assert [role for role in Role if roles.allows(role, Action.STAFF)] == [Role.ADMIN]


@both_engines
def test_every_active_editor_is_told_once_ahead_of_issues(room):
    one, two = _editor("one@magazine.example"), _editor("two@magazine.example")
    gone = _editor("gone@magazine.example")
    _editor("admin@magazine.example", Role.ADMIN)
    editors.deactivate(gone)
    for _ in range(2):
        notices.tell("issue:1:held", subject="The Daily is held", text="It has no stories.", path="/admin/issues/1")
        db.session.commit()
    assert db.session.scalar(select(func.count()).select_from(Notice)) == 3
    assert db.session.scalar(select(func.count()).select_from(Message)) == 3
    assert db.session.scalars(select(Run)).one().priority > 0
    newer = notices.tell("issue:1:held", subject="x", text="y")
    assert newer == []
    mine = notices.unseen(one.id)
    notices.put_away(two.id, mine[0].id)
    assert notices.unseen(one.id) == mine, "another's notice is not mine to put away"
    notices.put_away(one.id, mine[0].id)
    notices.put_away(one.id, mine[0].id)
    assert notices.unseen(one.id) == []
    assert len(notices.unseen(two.id)) == 1


def test_a_notice_is_a_complete_mail_with_its_link_and_none_to_who_has_seen_it(room):
    editor = _editor()
    (notice,) = notices.tell(
        "k", subject="Émile <b>& Co</b>\r\nBcc: x@y.example", text="One.\n\nTwo.", path="/admin/issues/1"
    )
    db.session.commit()
    message = db.session.scalars(select(Message)).one()
    row = composers.Row(message.id, "notice", 0, None, notice.id, message.address, message.message_id, clock.now())
    wire = letters.compose(row)
    assert letters.compose(row) == wire, "every attempt sends the same bytes"
    head = wire.content.split(b"\r\n\r\n")[0]
    assert b"Auto-Submitted: auto-generated" in head
    assert b"\r\nBcc:" not in head
    assert b"http://127.0.0.1:8000/admin/issues/1" in wire.content.replace(b"=\r\n", b"").replace(b"=3D", b"=")
    assert slots.TOKEN.encode() not in wire.content
    assert wire.sender == "news@magazine.example"
    notices.put_away(editor.id, notice.id)
    assert isinstance(letters.compose(row), composers.Skipped)


@both_engines
def test_the_audit_log_says_who_did_what_before_and_after(room):
    editor = _editor()
    audit.record(
        editor.address,
        "approved",
        "issue 42",
        before={"state": "draft"},
        after={"state": "approved"},
        editor_id=editor.id,
    )
    audit.record("scheduler", "released", "issue 42")
    audit.record("scheduler", "released", "issue 43")
    db.session.commit()
    newest, first = audit.of("issue 42")
    assert (newest.actor, first.actor, first.before, first.after) == (
        "scheduler",
        "ed@magazine.example",
        {"state": "draft"},
        {"state": "approved"},
    )
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == 3


def test_nothing_secret_is_kept_readable(room):
    editor, token = editors.add("ed@magazine.example", Role.EDITOR)
    editors.set_password(token, GOOD)
    cookie = sessions.start(editor)
    db.session.commit()
    stored = repr(
        [
            *(link.digest for link in db.session.scalars(select(SetupLink))),
            *(session.digest for session in db.session.scalars(select(EditorSession))),
            editor.password_hash,
        ]
    )
    assert token not in stored
    assert cookie not in stored
    assert GOOD not in stored
    assert editor.password_hash.startswith("$argon2id$")
    assert len(signing.digests("session", cookie)[0]) == 64
