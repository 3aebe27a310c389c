"""The rows in which is kept what jobs find out of open issues: made when first wanted, and marked as answered."""

from datetime import datetime
from typing import TypeVar

from sqlalchemy import select

from newsletter import db
from newsletter.issues.models import Impact, Issue, Preflight

Row = TypeVar("Row", Impact, Preflight)


def row(kind: type[Row], issue_id: int) -> Row:
    """The row of an issue, made where there is none."""
    # The issue first: the foreign key asks for it only once the row is there, for which whoever has the issue waits.
    db.session.execute(select(Issue.id).where(Issue.id == issue_id).with_for_update(read=True, key_share=True))
    db.session.execute(db.insert(kind.__table__).values(issue_id=issue_id).on_conflict_do_nothing())
    return db.session.get_one(kind, issue_id)


def answered(kept: Impact | Preflight, *, began_at: datetime) -> None:
    """Forget that it was asked for, unless that was after the answer was begun: then it is still to be done."""
    if kept.asked_at is not None and kept.asked_at <= began_at:
        kept.asked_at = None
