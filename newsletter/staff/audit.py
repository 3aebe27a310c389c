"""Who changed what, with before and after."""

from typing import Any

from sqlalchemy import select

from newsletter import clock, db
from newsletter.staff.models import AuditEntry


def record(
    actor: str,
    action: str,
    subject: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    editor_id: int | None = None,
) -> AuditEntry:
    """Append one line: `actor` is an editor's address, "command line" or "scheduler"; `subject` is like "issue 42"."""
    entry = AuditEntry(
        at=clock.now(),
        actor=actor,
        action=action,
        subject=subject,
        before=before or {},
        after=after or {},
        editor_id=editor_id,
    )
    db.session.add(entry)
    db.session.flush()
    return entry


def of(subject: str, *, limit: int = 50) -> list[AuditEntry]:
    """The newest lines about one subject, newest first."""
    return list(
        db.session.scalars(select(AuditEntry).filter_by(subject=subject).order_by(AuditEntry.id.desc()).limit(limit))
    )
