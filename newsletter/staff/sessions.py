"""Logged-in browsers: rows that can be ended, known by the digest of a cookie."""

import contextvars
import ipaddress
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Engine, select, update

from newsletter import clock, db, errors, limits, settings, signing
from newsletter.staff import editors, passwords
from newsletter.staff.models import Editor, EditorSession

_PURPOSE = "session"
_PERIOD = timedelta(minutes=15)
# A sign of life is noted at most this often, so that not every page read is a write.
_TOUCH = timedelta(minutes=1)


def log_in(address: str, password: str, *, agent: str = "", source_address: str = "") -> str:
    """The cookie of a new session. Raises BadInput, the same for an unknown address as for a wrong password, and
    Refused past the limits.

    Commits before hashing, so that a refused attempt counts and nothing waits for the hash: call it first.
    """
    _count_attempt(address, source_address)
    editor = editors.find(address)
    known = editor if editor and editor.is_active and editor.password_hash else None
    editor_id, stored = (known.id, known.password_hash) if known else (0, passwords.NOBODY)
    db.session.commit()
    if not passwords.is_right(stored, password) or not editor_id:
        raise errors.BadInput("The address or the password is wrong.", field="password")
    stronger = passwords.hashed(password) if passwords.is_weak(stored) else stored
    editor = editors.get(editor_id)
    if editor.password_hash != stored or not editor.is_active:  # changed while we were hashing
        raise errors.BadInput("The address or the password is wrong.", field="password")
    editor.password_hash = stronger
    return start(editor, agent=agent, source_address=source_address)


def start(editor: Editor, *, agent: str = "", source_address: str = "") -> str:
    """The cookie of a new session of this editor; only its digest is kept."""
    cookie, now = secrets.token_urlsafe(32), clock.now()
    db.session.add(
        EditorSession(
            editor_id=editor.id,
            digest=signing.digests(_PURPOSE, cookie)[0],
            created_at=now,
            seen_at=now,
            agent=agent[:200],
            source_address=source_address,
        )
    )
    db.session.flush()
    return cookie


def find(cookie: str) -> EditorSession | None:
    """The living session of a cookie: not ended, not idle or old past the settings, its editor active."""
    now, present = clock.now(), settings.current()
    return db.session.scalars(
        select(EditorSession)
        .join(EditorSession.editor)
        .where(
            EditorSession.digest.in_(signing.digests(_PURPOSE, cookie)),
            EditorSession.ended_at.is_(None),
            EditorSession.seen_at > now - present.session_idle,
            EditorSession.created_at > now - present.session_lifetime,
            Editor.is_active,
        )
    ).first()


def touch(session: EditorSession) -> None:
    """Note that the session was used. Ends the open transaction and writes in one of its own: reading a page, which
    may not write, keeps a session alive too."""
    session_id, now = session.id, clock.now()
    if now - session.seen_at < _TOUCH:
        return
    db.session.rollback()
    # An empty context: there db.reading() of the surrounding request does not hold.
    contextvars.Context().run(_note_seen, db.extension.engine, session_id, now)


def end(session: EditorSession) -> None:
    """End one session; harmless twice."""
    session.ended_at = session.ended_at or clock.now()
    db.session.flush()


def end_all(editor_id: int) -> None:
    """End every session of an editor."""
    editors.end_sessions(editor_id)


def _note_seen(engine: Engine, session_id: int, now: datetime) -> None:
    with engine.begin() as connection:
        connection.execute(update(EditorSession).where(EditorSession.id == session_id).values(seen_at=now))


def _count_attempt(address: str, source_address: str) -> None:
    # Per account and network first: a stranger elsewhere cannot lock the real person out cheaply.
    account, network = address.strip().lower()[:254], _network(source_address)
    few, many = settings.current().login_attempts, settings.current().login_attempts_in_total
    counted = (
        (f"login:{account}:{network}", few),
        (f"login:network:{network}", many),
        (f"login:account:{account}", many),
    )
    for key, capacity in counted:
        if not limits.take(key, capacity=capacity, period=_PERIOD):
            db.session.commit()
            raise errors.Refused("Too many attempts to log in. Please wait a quarter of an hour and try again.")


def _network(source_address: str) -> str:
    try:
        address = ipaddress.ip_address(source_address)
    except ValueError:
        return source_address
    # Whoever has one IPv6 address has at least a /64 of them.
    return str(ipaddress.ip_network((address, 32 if address.version == 4 else 64), strict=False))
