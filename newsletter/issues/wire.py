"""The composer of issues: from a page of message rows to drafts that only fill what was pressed at release."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, select

from newsletter import clock, db, errors, settings
from newsletter.audience import asking, reader_links
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues.models import Edition, Issue
from newsletter.mail import addresses
from newsletter.mail.press import Plate, Press
from newsletter.outbox.composers import Draft, Row, Skipped, Wire
from newsletter.outbox.models import Message

UNSUBSCRIBED = Skipped("unsubscribed")
PAUSED = Skipped("paused")
TERMS = Skipped("new terms not agreed")
DELETED = Skipped("the issue was deleted")

log = structlog.get_logger()

# What has become of the readers of a page, and which plates it needs: one query, whatever the page's size.
_STANDINGS = (
    select(
        Message.id,
        Edition.id.label("edition_id"),
        Edition.content_hash,
        Subscriber.paused_until,
        select(Subscription.id)
        .where(
            Subscription.subscriber_id == Subscriber.id,
            Subscription.newsletter_id == Issue.newsletter_id,
            Subscription.state == SubscriptionState.CONFIRMED,
        )
        .exists()
        .label("reads"),
        asking.is_unanswered(bindparam("now")).label("waits_for_terms"),
    )
    .join(Edition, Edition.id == Message.ref)
    .join(Issue, Issue.id == Edition.issue_id)
    .outerjoin(Subscriber, Subscriber.id == Message.recipient_id)
    .where(Message.id.in_(bindparam("ids", expanding=True)))
)


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
    # A connection of its own: the worker's session is not ours to begin or end.
    with db.reading(), db.extension.engine.connect() as connection:
        found = connection.execute(_STANDINGS, {"ids": [row.id for row in rows], "now": clock.now()})
        standings = {standing.id: standing for standing in found}
        letters = {
            edition_id: _letter(connection, edition_id, content_hash)
            for edition_id, content_hash in {(each.edition_id, each.content_hash) for each in standings.values()}
        }
    return [_draft(row, standings.get(row.id), letters) for row in rows]


def _draft(row: Row, standing: Any, letters: Mapping[int, _Letter | None]) -> Draft | Skipped:
    if standing is None:
        return DELETED
    if not standing.reads:
        return UNSUBSCRIBED
    if standing.paused_until and standing.paused_until > clock.now():
        return PAUSED
    if standing.waits_for_terms:
        return TERMS
    return functools.partial(_filled, row, letters[standing.edition_id])


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
