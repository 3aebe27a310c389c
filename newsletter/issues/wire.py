"""The composer of issues: from a message row to the bytes of one reader's digest."""

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, select

from newsletter import clock, db, errors
from newsletter.audience import reader_links
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues.models import Edition, Issue
from newsletter.mail import addresses, links, mime
from newsletter.mail.templates import Rendered
from newsletter.outbox.composers import Row, Skipped, Wire

UNSUBSCRIBED = Skipped("unsubscribed")
PAUSED = Skipped("paused")

# An edition is at most some 250 KB, html and text; a worker meets few of them at a time.
_EDITIONS_KEPT = 64


@dataclass(frozen=True)
class _Letter:
    """What all readers of an edition share."""

    newsletter_id: int
    issue_id: int
    slug: str
    title: str
    sender: str
    is_automatic: bool
    mail: Rendered


def compose(row: Row) -> Wire | Skipped:
    """The digest of a reader, always the same bytes; Skipped for one who left or paused since it was planned."""
    # A connection of its own: the worker's session is not ours to begin or end.
    with db.reading(), db.extension.engine.connect() as connection:
        letter = _letter(connection, str(db.extension.engine.url), row.ref or 0)
        reason = _reason_not_to(connection, row.recipient_id, letter.newsletter_id)
    return reason or _unwritable(row.address) or _written(row, letter)


def _letter(connection: Connection, database: str, edition_id: int) -> _Letter:
    # Frozen at release, so it may be remembered; the database is part of the key because tests know several.
    key = (database, edition_id)
    if key not in _letters:
        if len(_letters) >= _EDITIONS_KEPT:
            del _letters[next(iter(_letters))]
        _letters[key] = _load(connection, edition_id)
    return _letters[key]


_letters: dict[tuple[str, int], _Letter] = {}


def _load(connection: Connection, edition_id: int) -> _Letter:
    columns = (
        Issue.newsletter_id,
        Issue.id.label("issue_id"),
        Issue.frozen,
        Issue.is_automatic,
        Edition.subject,
        Edition.html,
        Edition.text,
    )
    query = select(*columns).join(Issue, Issue.id == Edition.issue_id).where(Edition.id == edition_id)
    found = connection.execute(query).one()
    return _Letter(
        found.newsletter_id,
        found.issue_id,
        found.frozen["slug"],
        found.frozen["title"],
        found.frozen["sender"],
        found.is_automatic,
        Rendered(found.subject, found.html, found.text),
    )


def _reason_not_to(connection: Connection, reader_id: int, newsletter_id: int) -> Skipped | None:
    confirmed = select(Subscription.id).where(
        Subscription.subscriber_id == Subscriber.id,
        Subscription.newsletter_id == newsletter_id,
        Subscription.state == SubscriptionState.CONFIRMED,
    )
    reader = connection.execute(
        select(Subscriber.paused_until, confirmed.exists().label("reads")).where(Subscriber.id == reader_id)
    ).one_or_none()
    if reader is None or not reader.reads:
        return UNSUBSCRIBED
    return PAUSED if reader.paused_until and reader.paused_until > clock.now() else None


def _unwritable(address: str) -> Skipped | None:
    # No SMTPUTF8: a local part outside ASCII cannot be written to, and costs nobody else their mail.
    try:
        addresses.parse(address)
    except errors.BadInput as error:
        return Skipped(error.message)
    return None


def _written(row: Row, letter: _Letter) -> Wire:
    token = reader_links.token(ReaderLink(row.recipient_id, letter.newsletter_id))
    mail = letter.mail.for_reader(token=token, address=row.address)
    domain = addresses.domain_of(letter.sender)
    outgoing = mime.Outgoing(
        sender=letter.sender,
        recipient=row.address,
        subject=mail.subject,
        html=mail.html,
        text=mail.text,
        message_id=row.message_id,
        dated_at=row.dated_at,
        # RFC 2919 3: a name below our own domain that outlives a change of title.
        list_id=f"{letter.slug}.{domain}",
        list_name=letter.title,
        unsubscribe_url=links.unsubscribe(token),
        # The token in the subject: in the local part it would pass the 64 octets of RFC 5321 4.5.3.1.1.
        unsubscribe_mailto=links.unsubscribe_mailto(f"unsubscribe@{domain}", token),
        is_automatic=letter.is_automatic,
        feedback_id=f"{letter.issue_id}:{letter.slug}:digest:{_sender_id(domain)}",
    )
    return Wire(mime.build(outgoing), addresses.parse(letter.sender).addr_spec)


@lru_cache
def _sender_id(domain: str) -> str:
    """Google's Feedback Loop: a constant name of the sender, 5 to 15 characters."""
    return domain.replace(".", "-")[:15].strip("-").ljust(5, "0")
