"""Telling the editors: a line on Today, and a mail ahead of issues."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from newsletter import clock, db, settings
from newsletter.outbox import queue
from newsletter.staff import editors, following, letters
from newsletter.staff.models import Editor, Notice
from newsletter.staff.roles import Action


@dataclass(frozen=True)
class Circle:
    """Who is told something: the editors who follow a newsletter and may do `who_may`, but for one who knows it."""

    newsletter_id: int | None = None
    who_may: Action = Action.LOOK
    but: int | None = None


EVERYBODY = Circle()


def tell(
    key: str, *, subject: str, text: str, path: str = "", issue_id: int | None = None, circle: Circle = EVERYBODY
) -> list[Notice]:
    """Tell every active editor of a circle once: the same key again tells nobody twice. `path` is a place under the
    base URL."""
    told = set(db.session.scalars(select(Notice.editor_id).filter_by(key=key)))
    made = []
    for editor in [each for each in _editors(circle) if each.id not in told]:
        notice = tell_one(editor, key, subject=subject, text=text, path=path, issue_id=issue_id)
        made += [notice] if notice else []
    return made


def tell_one(
    editor: Editor, key: str, *, subject: str, text: str, path: str = "", issue_id: int | None = None
) -> Notice | None:
    """Tell one editor, once for each key; None when they were told before."""
    notice = Notice(
        editor_id=editor.id,
        key=key,
        subject=subject,
        text=text,
        path=path,
        issue_id=issue_id,
        created_at=clock.now(),
    )
    if not _store(notice):
        return None
    queue.enqueue(
        letters.KIND, recipient_id=notice.id, address=editor.address, lifetime=settings.current().notice_expiry
    )
    return notice


def unseen(editor_id: int, *, limit: int = 20) -> list[Notice]:
    """What an editor was told and has not put away, newest first."""
    return list(
        db.session.scalars(
            select(Notice).filter_by(editor_id=editor_id, seen_at=None).order_by(Notice.id.desc()).limit(limit)
        )
    )


def put_away(editor_id: int, notice_id: int) -> None:
    """Take a notice off an editor's Today; harmless twice, and for another editor's notice."""
    notice = db.session.scalars(select(Notice).filter_by(id=notice_id, editor_id=editor_id, seen_at=None)).first()
    if notice is not None:
        notice.seen_at = clock.now()
        db.session.flush()


def _editors(circle: Circle) -> list[Editor]:
    concerned = [each for each in editors.who_may(circle.who_may) if each.id != circle.but]
    return following.followers(circle.newsletter_id, concerned)


def _store(notice: Notice) -> bool:
    # Two schedulers may tell the same thing at the same moment; the unique key lets one of them win.
    try:
        with db.session.begin_nested():
            db.session.add(notice)
        return True
    except IntegrityError:
        return False
