"""The composer of issues: from a page of message rows to drafts that only fill what was pressed at release."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, bindparam, select, text

from newsletter import clock, db, errors, settings
from newsletter.audience import asking, reader_links
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues.models import Edition, Issue
from newsletter.mail import addresses
from newsletter.mail.press import Plate, Press
from newsletter.outbox import sql
from newsletter.outbox.composers import Draft, Row, Skipped, Wire

UNSUBSCRIBED = Skipped("unsubscribed")
PAUSED = Skipped("paused")
TERMS = Skipped("new terms not agreed")
DELETED = Skipped("the issue was deleted")

log = structlog.get_logger()

# The editions of an issue: few, whatever the page's size.
_EDITIONS = (
    select(Edition.id, Edition.content_hash, Issue.newsletter_id)
    .join(Issue, Issue.id == Edition.issue_id)
    .where(Issue.id == bindparam("issue"))
)

# What has become of the readers of a page.
_STANDINGS = {
    dialect: select(
        Subscriber.id,
        Subscriber.paused_until,
        select(Subscription.id)
        .where(
            Subscription.subscriber_id == Subscriber.id,
            Subscription.newsletter_id == bindparam("newsletter"),
            Subscription.state == SubscriptionState.CONFIRMED,
        )
        .exists(),
        asking.is_unanswered(bindparam("now")),
    ).where(text(f"{Subscriber.__tablename__}.id {among}"))
    for dialect, among in sql.AMONG.items()
}


class _Standing(NamedTuple):
    """Until when a reader pauses, whether they read this newsletter, whether they have new terms to agree to."""

    paused_until: datetime | None
    reads: bool
    waits_for_terms: bool


_GONE = _Standing(None, False, False)


@dataclass(frozen=True)
class _Letter:
    """What all readers of an edition share."""

    press: Press
    newsletter_id: int
    sender: str  # of the envelope


def compose(rows: Sequence[Row]) -> Sequence[Draft | Skipped]:
    """The digests of a page of readers, always the same bytes; Skipped for who left or paused since it was planned.

    The draft of an edition that is not stored as it was released raises errors.Damaged.
    """
    now = clock.now()
    # A connection of its own: the worker's session is not ours to begin or end.
    with db.reading(), db.extension.engine.connect() as connection:
        editions = connection.execute(_EDITIONS, {"issue": rows[0].run_ref}).all()
        if not editions:
            return [DELETED for _ in rows]
        standings = _standings(connection, [row.recipient_id for row in rows], editions[0].newsletter_id, now)
        wanted = {row.ref for row in rows}
        letters = {
            edition.id: _letter(connection, edition.id, edition.content_hash)
            for edition in editions
            if edition.id in wanted
        }
    return [_draft(row, standings, letters, now) for row in rows]


def _standings(
    connection: Connection, readers: Sequence[int], newsletter_id: int, now: datetime
) -> dict[int, _Standing]:
    dialect = connection.dialect.name
    values = {"ids": sql.listed(dialect, readers), "newsletter": newsletter_id, "now": now}
    found = connection.execute(_STANDINGS[dialect], values)
    return {reader: _Standing(paused_until, reads, waits) for reader, paused_until, reads, waits in found}


def _draft(
    row: Row,
    standings: Mapping[int, _Standing],
    letters: Mapping[int | None, _Letter | None],
    now: datetime,
) -> Draft | Skipped:
    if row.ref not in letters:
        return DELETED
    standing = standings.get(row.recipient_id, _GONE)
    if not standing.reads:
        return UNSUBSCRIBED
    if standing.paused_until and standing.paused_until > now:
        return PAUSED
    if standing.waits_for_terms:
        return TERMS
    return functools.partial(_filled, row, letters[row.ref])


def _letter(connection: Connection, edition_id: int, content_hash: str) -> _Letter | None:
    """The letter of an edition, out of memory if it is there; None when it is not stored as it was released."""
    # The hash is part of the key because SQLite gives the id of a deleted edition to a later one.
    key = (edition_id, content_hash)
    letter = _kept.pop(key, None)
    if letter is None:
        letter = _load(connection, edition_id, content_hash)
        room = settings.current().press_bytes - (letter.press.size if letter else 0)
        while _kept and sum(each.press.size for each in _kept.values()) > room:
            del _kept[next(iter(_kept))]
    if letter is not None:
        # Last used, last to go.
        _kept[key] = letter
    return letter


_kept: dict[tuple[int, str], _Letter] = {}


def _load(connection: Connection, edition_id: int, content_hash: str) -> _Letter | None:
    query = select(Edition.plate, Issue.newsletter_id, Issue.frozen).join(Issue, Issue.id == Edition.issue_id)
    found = connection.execute(query.where(Edition.id == edition_id)).one()
    try:
        press = Press(Plate(found.plate, content_hash))
    except errors.Damaged:
        log.error("plate_damaged", edition_id=edition_id)
        return None
    return _Letter(press, found.newsletter_id, addresses.spec_of(found.frozen["sender"]))


def _filled(row: Row, letter: _Letter | None) -> Wire | Skipped:
    if letter is None:
        raise errors.Damaged
    token = reader_links.token(ReaderLink(row.recipient_id, letter.newsletter_id))
    try:
        content = letter.press.fill(row.address, row.message_id, row.dated_at, token)
    except errors.BadInput as error:
        if error.field != "address":
            raise
        # An address that cannot be written to costs nobody else their mail.
        return Skipped(error.message)
    return Wire(content, letter.sender, addresses.needs_smtputf8(row.address), is_stuffed=True)
