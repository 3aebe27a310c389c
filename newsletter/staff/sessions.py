"""Logged-in browsers: rows that can be ended, known by the digest of a cookie."""

import contextvars
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Engine, Select, select, update

from newsletter import clock, db, errors, settings, signing
from newsletter.staff import editors
from newsletter.staff.models import Editor, EditorSession

_PURPOSE = "session"
# A sign of life is noted at most this often, so that not every page read is a write.
_TOUCH = timedelta(minutes=1)


def start(editor: Editor, *, agent: str = "", source_address: str = "") -> str:
    """The cookie of a new session of this editor; only its digest is kept."""
    cookie, now = secrets.token_urlsafe(32), clock.now()
    db.session.add(
        EditorSession(
            editor_id=editor.id,
            digest=signing.digests(_PURPOSE, cookie)[0],
            created_at=now,
            seen_at=now,
            proved_at=now,
            agent=agent[:200],
            source_address=source_address,
        )
    )
    db.session.flush()
    return cookie


def find(cookie: str) -> EditorSession | None:
    """The living session of a cookie: not ended, not idle or old past the settings, its editor active."""
    return db.session.scalars(_living().where(EditorSession.digest.in_(signing.digests(_PURPOSE, cookie)))).first()


def of(editor_id: int) -> list[EditorSession]:
    """An editor's living sessions, the one used last first."""
    mine = _living().where(EditorSession.editor_id == editor_id)
    return list(db.session.scalars(mine.order_by(EditorSession.seen_at.desc(), EditorSession.id.desc()).limit(100)))


def is_proved(session: EditorSession) -> bool:
    """Whether the editor has shown lately enough, for a dangerous act, that it is still them."""
    lately = clock.now() - settings.current().reauthenticate
    return session.proved_at is not None and session.proved_at > lately


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


def end_one(editor_id: int, session_id: int) -> EditorSession:
    """End one of an editor's own sessions; raises NotFound for another's. Harmless twice."""
    session = db.session.get(EditorSession, session_id)
    if session is None or session.editor_id != editor_id:
        raise errors.NotFound("There is no such session.")
    end(session)
    return session


def end_all(editor_id: int) -> None:
    """End every session of an editor."""
    editors.end_sessions(editor_id)


def end_others(editor_id: int, session_id: int) -> int:
    """End every living session of an editor but this one; how many."""
    others = [session for session in of(editor_id) if session.id != session_id]
    editors.end_sessions(editor_id, besides=session_id)
    return len(others)


def _living() -> Select[EditorSession]:
    now, present = clock.now(), settings.current()
    return (
        select(EditorSession)
        .join(EditorSession.editor)
        .where(
            EditorSession.ended_at.is_(None),
            EditorSession.seen_at > now - present.session_idle,
            EditorSession.created_at > now - present.session_lifetime,
            Editor.is_active,
        )
    )


def _note_seen(engine: Engine, session_id: int, now: datetime) -> None:
    with engine.begin() as connection:
        connection.execute(update(EditorSession).where(EditorSession.id == session_id).values(seen_at=now))
