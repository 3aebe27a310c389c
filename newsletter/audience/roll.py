"""The readers as a table for spreadsheets: what each takes, and what was agreed, when and how."""

import itertools
from collections.abc import Iterator, Sequence

from sqlalchemy import func, select

from newsletter import db, spreadsheet
from newsletter.audience import directory
from newsletter.audience.directory import Listed, Search
from newsletter.audience.models import ConsentKind, ConsentRecord, Purpose

COLUMNS = (
    *("email", "state", "subscriptions", "known_since", "language", "timezone", "paused_until"),
    *("consent_at", "consent_source", "terms_version", "privacy_version", "sentence"),
)
_PAGE = 500


def lines(search: Search) -> Iterator[str]:
    """The table, a line at a time: a header, then every reader that fits; times in UTC. Never all in memory."""
    yield spreadsheet.START + spreadsheet.line(COLUMNS)
    readers = directory.every(search)
    while page := list(itertools.islice(readers, _PAGE)):
        yield from (spreadsheet.line(row) for row in _rows(page))


def _rows(page: Sequence[Listed]) -> Iterator[Sequence[object]]:
    ids = [each.subscriber.id for each in page]
    taken, agreed = directory.taken_by(ids), _agreed(ids)
    for listed in page:
        reader, record = listed.subscriber, agreed.get(listed.subscriber.id)
        yield (
            *(reader.address, listed.standing.value, ";".join(name for name, _ in taken[reader.id])),
            *(reader.created_at.isoformat(), reader.language, reader.zone),
            reader.paused_until.isoformat() if reader.paused_until else None,
            *((record.at.isoformat(), record.channel) if record else (None, None)),
            *((record.terms_version, record.privacy_version, record.sentence) if record else (None, None, None)),
        )


def _agreed(ids: Sequence[int]) -> dict[int, ConsentRecord]:
    """The last line by which each of them agreed to mail."""
    last = (
        select(ConsentRecord.subscriber_id, func.max(ConsentRecord.number).label("number"))
        .where(
            ConsentRecord.subscriber_id.in_(ids),
            ConsentRecord.kind.in_((ConsentKind.CONFIRMED, ConsentKind.IMPORTED)),
            ConsentRecord.purpose == Purpose.NEWSLETTERS,
        )
        .group_by(ConsentRecord.subscriber_id)
        .subquery()
    )
    found = select(ConsentRecord).join(
        last, (ConsentRecord.subscriber_id == last.c.subscriber_id) & (ConsentRecord.number == last.c.number)
    )
    return {record.subscriber_id: record for record in db.session.scalars(found)}
