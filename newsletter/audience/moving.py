"""Another address for the same reader: confirmed at the new one, told to the old one."""

from dataclasses import dataclass

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.audience import addresses, consent, fresh_links, subscriptions, wishes
from newsletter.audience.consent import Origin
from newsletter.audience.models import ConsentKind, LinkKind, LinkRequest, Subscriber, SubscriptionState
from newsletter.outbox import queue, suppression
from newsletter.outbox.models import SuppressionReason


@dataclass(frozen=True)
class Move:
    """A change of address: from and to, as they are shown, and whether it is done."""

    earlier: str
    address: str
    is_done: bool


def ask(request: LinkRequest, email: str, origin: Origin) -> str:
    """Mail the new address a link that confirms it, and return it; raises BadInput. Nothing changes before."""
    reader = db.session.get_one(Subscriber, request.subscriber_id)
    address = addresses.parse(email)
    if address.key == reader.address_key:
        raise errors.BadInput("This is the address we write to already.", field="email")
    fresh_links.ask_move(reader, address, origin)
    return address.display


def look_at(token: str) -> Move:
    """What the link would change, changing nothing; raises BadToken or ExpiredToken."""
    request = fresh_links.read(LinkKind.MOVE, token)
    reader = db.session.get_one(Subscriber, request.subscriber_id)
    return Move(addresses.masked(reader.address), request.address, request.used_at is not None)


def confirm(token: str, origin: Origin) -> Move:
    """Write to the new address from now on; harmless twice. Raises BadToken or ExpiredToken.

    Somebody known under the new address already takes over what the reader gets, with the consent on record.
    """
    request = fresh_links.read(LinkKind.MOVE, token)
    reader = subscriptions.locked_reader(request.subscriber_id)
    if reader is None:
        raise errors.ExpiredToken
    db.session.refresh(request)
    address, earlier = addresses.parse(request.address), reader.address
    if request.used_at is not None:
        return Move(addresses.masked(earlier), request.address, is_done=True)
    request.used_at = clock.now()
    _lift_bounce(address.key)
    other = db.session.scalars(select(Subscriber).filter_by(address_key=address.key).with_for_update()).first()
    if other is None:
        reader.address, reader.address_key = address.display, address.key
        consent.record(ConsentKind.MOVED, reader, [], origin)
        queue.redirect(reader.id, address.display)
    elif other.id != reader.id:
        _join(reader, other, origin)
    fresh_links.mail(LinkKind.MOVED, reader if other is None else other, earlier)
    return Move(addresses.masked(earlier), request.address, is_done=True)


def _join(reader: Subscriber, other: Subscriber, origin: Origin) -> None:
    """Let the one known under the new address get what the reader got."""
    taken = wishes.of_keys(sorted(subscriptions.held(reader, SubscriptionState.CONFIRMED)))
    subscriptions.end(reader)
    subscriptions.put(other, taken, SubscriptionState.CONFIRMED)
    consent.record(ConsentKind.MOVED, reader, taken, origin, note=f"joined to reader {other.id}")
    consent.record(
        ConsentKind.CONFIRMED,
        other,
        taken,
        origin,
        shown=consent.last_shown(reader.id),
        note=f"joined from reader {reader.id}",
    )
    queue.cancel_for(reader.id)


def _lift_bounce(key: str) -> None:
    found = suppression.find(key)
    if found and found.reason in (SuppressionReason.HARD_BOUNCE, SuppressionReason.ERASURE):
        suppression.lift(key, "confirmed a change of address")
