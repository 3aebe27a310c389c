"""Who changed what, with before and after."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from newsletter import clock, db
from newsletter.staff.models import AuditEntry

PAGE = 50
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?\+\d\d:\d\d")


@dataclass(frozen=True)
class Search:
    """What lines are looked for: parts of who did it, of what was done or to what, and of what is written in it."""

    who: str = ""
    what: str = ""
    words: str = ""


@dataclass(frozen=True)
class Change:
    """One thing that a line says was changed, in words."""

    name: str
    before: str
    after: str


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


def page(search: Search = Search(), *, before: int | None = None, limit: int = PAGE) -> list[AuditEntry]:
    """Up to `limit` lines that fit the search, newest first, below the id `before`."""
    query = select(AuditEntry).where(*_conditions(search)).order_by(AuditEntry.id.desc()).limit(limit)
    return list(db.session.scalars(query if before is None else query.where(AuditEntry.id < before)))


def every(search: Search = Search()) -> Iterator[AuditEntry]:
    """All lines that fit the search, newest first, read page by page."""
    before = None
    while found := page(search, before=before, limit=1000):
        yield from found
        before = found[-1].id
        db.session.expunge_all()


def changes(entry: AuditEntry) -> list[Change]:
    """What a line says was changed, a name at a time; what stayed the same is left out."""
    names = dict.fromkeys([*entry.before, *entry.after])
    pairs = [(name, entry.before.get(name), entry.after.get(name)) for name in names]
    return [Change(name.replace("_", " "), in_words(old), in_words(new)) for name, old, new in pairs if old != new]


def in_words(value: Any) -> str:
    """A value of a line as a person reads it; nothing: an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {in_words(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(in_words(each) for each in value)
    return _instant(value) if isinstance(value, str) and _INSTANT.fullmatch(value) else str(value)


def _instant(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%d %B %Y %H:%M} UTC"
    except (ValueError, OverflowError):
        # Somebody wrote it so, and it is none.
        return text


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if search.who:
        found.append(AuditEntry.actor.icontains(search.who, autoescape=True))
    if search.what:
        # "editor_invited" reads "editor invited".
        spellings = {search.what, search.what.replace(" ", "_")}
        found.append(_any(spellings, AuditEntry.action, AuditEntry.subject))
    if search.words:
        # SQLite keeps JSON as it was written, with other letters than ASCII as \u....
        spellings = {search.words, json.dumps(search.words)[1:-1]}
        found.append(_any(spellings, cast(AuditEntry.before, Text), cast(AuditEntry.after, Text)))
    return found


def _any(spellings: set[str], *columns: ColumnElement[str] | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return or_(*[column.icontains(each, autoescape=True) for column in columns for each in sorted(spellings)])
