"""Two-step login: an app's codes by the clock, recovery codes, what is kept of them, and showing again who one is."""

from datetime import UTC, datetime, timedelta

import argon2
import pyotp
import pytest
import time_machine
from sqlalchemy import select

from newsletter import db, errors, sealing, settings
from newsletter.staff import editors, entrance, following, notices, passwords, recovery, sessions, totp
from newsletter.staff.models import Authenticator, Notice, RecoveryCode, Role
from tests.conftest import both_engines
from tests.web import desk

GOOD = "a quiet river in autumn"
NOW = datetime(2026, 11, 23, 9, 0, 15, tzinfo=UTC)
STEP = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def _cheap_hashing(monkeypatch):
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def time(room):
    with time_machine.travel(NOW, tick=False) as travelled:
        yield travelled


def _editor(role=Role.EDITOR):
    editor, token = editors.add("ed@magazine.example", role)
    editors.set_password(token, GOOD)
    db.session.commit()
    return editor


def _with_app(time):
    """An editor with an app, at a step of which no code was taken; the app."""
    editor = _editor()
    offer = totp.offer(editor)
    app = pyotp.TOTP(offer.secret)
    totp.turn_on(editor, totp.offered(editor, offer.sealed), app.now())
    db.session.commit()
    time.shift(10 * STEP)
    return editor, app


def _ticket(editor):
    halfway = entrance.log_in(editor.address, GOOD, source_address="192.0.2.7")
    assert isinstance(halfway, entrance.Halfway)
    db.session.commit()
    return halfway.ticket


def test_the_codes_are_those_of_rfc_6238(room):
    # Appendix B, SHA-1, the last six of its eight digits.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        with time_machine.travel(datetime.fromtimestamp(seconds, UTC), tick=False):
            assert totp._step_of(secret, code) == seconds // 30
            assert totp._step_of(secret, f" {code[:3]} {code[3:]} ") == seconds // 30


@both_engines
def test_a_code_counts_one_step_each_way_and_is_never_taken_twice(time):
    editor, app = _with_app(time)
    now = datetime.now(UTC)
    for steps, is_taken in ((-2, False), (2, False), (-1, True), (-1, False), (0, True), (0, False), (1, True)):
        assert totp.accept(editor.id, app.at(now + steps * STEP)) is is_taken, steps
        db.session.commit()
    assert not totp.accept(editor.id, app.at(now)), "nor one older than the newest taken"
    for nonsense in ("", "12345", "1234567", "abcdef", "\0", "１２３４５６"):
        assert not totp.accept(editor.id, nonsense)
    assert not totp.accept(987, app.at(now))


@both_engines
def test_the_password_alone_opens_nothing_and_the_code_only_with_it(time):
    editor, app = _with_app(time)
    ticket = _ticket(editor)
    assert sessions.of(editor.id) == []
    with pytest.raises(errors.BadInput):
        entrance.finish(ticket, "000000")
    with pytest.raises(errors.ExpiredToken):
        entrance.finish(ticket[:-1], app.now())
    cookie = entrance.finish(ticket, app.now())
    assert sessions.find(cookie).editor_id == editor.id
    with pytest.raises(errors.BadInput):
        entrance.finish(ticket, app.now())
    with pytest.raises(errors.BadInput):
        entrance.log_in(editor.address, "wrong")


def test_a_ticket_is_short_lived_and_ends_with_the_password_the_codes_and_the_person(time):
    editor, app = _with_app(time)
    admin = editors.add("admin@magazine.example", Role.ADMIN)[0]
    ticket = _ticket(editor)
    time.shift(timedelta(minutes=10, seconds=1))
    with pytest.raises(errors.ExpiredToken):
        entrance.finish(ticket, app.now())
    ticket = _ticket(editor)
    editors.set_password(editors.invite(editor), GOOD + " again")
    with pytest.raises(errors.ExpiredToken):
        entrance.finish(ticket, app.now())
    editors.set_password(editors.invite(editor), GOOD)
    ticket = _ticket(editor)
    entrance.reset_codes(editor, by=admin.address)
    with pytest.raises(errors.ExpiredToken):
        entrance.finish(ticket, app.now())
    assert isinstance(entrance.log_in(editor.address, GOOD), str)


@both_engines
def test_recovery_codes_work_once_are_kept_as_digests_and_new_ones_replace_them(time):
    editor, _ = _with_app(time)
    codes = recovery.make(editor.id)
    db.session.commit()
    assert len(set(codes)) == recovery.COUNT == 10
    kept = {row.digest for row in db.session.scalars(select(RecoveryCode))}
    assert not any(code in digest or code.replace("-", "") in digest for code in codes for digest in kept)
    assert entrance.finish(_ticket(editor), codes[0].upper().replace("-", " "))
    db.session.commit()
    with pytest.raises(errors.BadInput):
        entrance.finish(_ticket(editor), codes[0])
    assert recovery.left(editor.id) == 9
    assert "You have 9 left" in db.session.scalars(select(Notice.text)).one()
    fresh = recovery.make(editor.id)
    assert not recovery.use(editor.id, codes[1])
    assert not recovery.use(editor.id + 1, fresh[0]), "nobody else's"
    assert recovery.use(editor.id, fresh[0])


def test_codes_are_limited_for_the_account_wherever_they_come_from_and_the_editor_is_told(time):
    editor, app = _with_app(time)
    ticket = _ticket(editor)
    for number in range(settings.current().login_attempts):
        with pytest.raises(errors.BadInput):
            entrance.finish(ticket, "000000", source_address=f"192.0.2.{number}")
    for _ in range(2):
        with pytest.raises(errors.Refused):
            entrance.finish(ticket, app.now(), source_address="198.51.100.1")
    assert "knows your password" in db.session.scalars(select(Notice.text)).one()
    time.shift(timedelta(minutes=5))
    assert entrance.finish(_ticket(editor), app.now())


def test_the_secret_is_in_no_row_and_moves_to_a_new_key_when_a_code_is_taken(time, configured):
    editor, app = _with_app(time)
    row = db.session.scalars(select(Authenticator)).one()
    assert app.secret not in row.sealed
    with pytest.raises(errors.BadToken):
        sealing.unseal("totp:987", row.sealed)
    old = row.sealed
    rotated = {**vars(configured), "secret_key": "another-secret-key-of-enough-characters"}
    settings.use(settings.Settings(**{**rotated, "secret_key_fallbacks": (configured.secret_key,)}))
    assert totp.accept(editor.id, app.now())
    db.session.commit()
    assert row.sealed != old
    time.shift(STEP)
    settings.use(settings.Settings(**rotated))
    assert totp.accept(editor.id, app.now()), "the old key can be given up"
    row.sealed = old
    time.shift(STEP)
    assert not totp.accept(editor.id, app.now()), "sealed with a key that is gone: refused, no error"
    settings.use(configured)


@pytest.mark.parametrize(("required", "roles"), [("none", ""), ("publishers", "publisher admin"), ("all", "writer")])
def test_the_setting_says_whose_role_needs_it(room, configured, required, roles):
    settings.use(settings.Settings(**{**vars(configured), "totp_required": required}))
    assert all(totp.is_required(Role(role)) for role in roles.split())
    assert totp.is_required(Role.WRITER) == (required == "all")
    settings.use(configured)
    with pytest.raises(errors.ConfigurationError, match="none, publishers or all"):
        settings.load({"NEWSLETTER_TOTP_REQUIRED": "some"})


def test_one_proves_oneself_by_password_or_with_an_app_by_code_alone(time):
    editor = _editor()
    session = sessions.find(sessions.start(editor))
    db.session.commit()
    assert sessions.is_proved(session)
    time.shift(settings.current().reauthenticate)
    assert not sessions.is_proved(session)
    with pytest.raises(errors.BadInput):
        entrance.prove(session.id, password="wrong")
    entrance.prove(session.id, password=GOOD)
    assert sessions.is_proved(session)
    offer = totp.offer(editor)
    app = pyotp.TOTP(offer.secret)
    totp.turn_on(editor, offer, app.now())
    time.shift(timedelta(hours=1))
    with pytest.raises(errors.BadInput):
        entrance.prove(session.id, password=GOOD)
    entrance.prove(session.id, code=app.now())
    assert sessions.is_proved(session)
    for _ in range(settings.current().login_attempts - 2):
        with pytest.raises(errors.BadInput):
            entrance.prove(session.id, code="000000")
    with pytest.raises(errors.Refused):
        entrance.prove(session.id, code=app.at(datetime.now(UTC) + STEP))


def test_nobody_changes_their_own_role_or_lets_themselves_go(room):
    admin = _editor(Role.ADMIN)
    editors.add("second@magazine.example", Role.ADMIN)
    with pytest.raises(errors.Conflict, match="own role"):
        editors.change_role(admin, Role.WRITER, by=admin.id)
    with pytest.raises(errors.Conflict, match="themselves"):
        editors.deactivate(admin, by=admin.id)


@both_engines
def test_who_follows_a_newsletter_is_told_about_it_and_everybody_where_nobody_does(room):
    desk.magazine()
    first = _editor()
    second, _ = editors.add("second@magazine.example", Role.WRITER)
    by_slug = {each.slug: each.id for each in following.newsletters.all()}
    assert following.followed(first.id) == {"breaking", "daily", "weekly"}
    following.follow(first.id, ["weekly", "nothing"])
    assert following.followed(first.id) == {"weekly"}

    def told(key, slug=None):
        circle = notices.Circle(by_slug[slug] if slug else None)
        made = notices.tell(key, subject="x", text="y", circle=circle)
        return [notice.editor_id for notice in made]

    assert told("a", "weekly") == [first.id, second.id]
    assert told("b", "daily") == [second.id]
    assert told("c") == [first.id, second.id]
    following.follow(second.id, [])
    assert told("d", "daily") == [first.id, second.id], "what nobody follows would wait for ever"
