"""Mails that bring a reader a link: to the preferences, for an hour to what is private, to confirm another address."""

from datetime import timedelta

from sqlalchemy import exists, select

from newsletter import clock, db, errors, limits, settings, signing
from newsletter.audience import addresses, agents, subscriptions
from newsletter.audience.consent import Origin
from newsletter.audience.models import LinkKind, LinkRequest, Subscriber
from newsletter.outbox import queue

MAIL = "link"
_DAY = timedelta(days=1)


def ask_preferences(email: str, origin: Origin) -> None:
    """Mail the preferences link to an address that is known here; to others, and past the limits, nothing goes.

    Whoever asks cannot tell which. Raises BadInput for what is no address.
    """
    address = addresses.parse(email)
    attempt = db.session.begin_nested()
    is_known = db.session.scalar(select(exists().where(Subscriber.address_key == address.key)))
    may_mail = _may_mail(address.key, origin)
    reader = subscriptions.reader_of(address, "")
    mail(LinkKind.PREFERENCES, reader, reader.address)
    if is_known and may_mail:
        attempt.commit()
    else:
        # Done, undone, and counted so that something is written: by its time, too, the answer tells nobody apart.
        attempt.rollback()
        limits.take("link:unanswered", capacity=1000, period=timedelta(hours=1))


def ask_private(subscriber_id: int, origin: Origin) -> None:
    """Mail the link to what is private to the reader's own address, within the limits."""
    reader = db.session.get(Subscriber, subscriber_id, with_for_update=True)
    if reader is not None and _may_mail(reader.address_key, origin):
        mail(LinkKind.PRIVATE, reader, reader.address)


def ask_move(reader: Subscriber, address: addresses.Address, origin: Origin) -> None:
    """Mail the link that confirms a change of address to the new one, within its limits."""
    if _may_mail(address.key, origin):
        mail(LinkKind.MOVE, reader, address.display)


def mail(kind: LinkKind, reader: Subscriber, address: str) -> None:
    """Queue one mail of this kind to an address of the reader's."""
    present = settings.current()
    lifetimes = {LinkKind.PRIVATE: present.private_link_lifetime, LinkKind.MOVE: present.move_lifetime}
    request = LinkRequest(
        subscriber_id=reader.id,
        kind=kind,
        address=address,
        created_at=clock.now(),
        expires_at=clock.now() + lifetimes.get(kind, present.confirmation_lifetime),
    )
    db.session.add(request)
    db.session.flush()
    queue.enqueue(MAIL, recipient_id=request.id, address=address, lifetime=present.private_link_lifetime)


def token(request: LinkRequest) -> str:
    """The token of a request's link, always the same one."""
    return signing.sign(_purpose(request.kind), request.id)


def read(kind: LinkKind, token: str) -> LinkRequest:
    """The request behind a link; raises BadToken, and ExpiredToken when it is too old or its reader was erased."""
    request_id = signing.read(_purpose(kind), token)
    request = db.session.get(LinkRequest, request_id) if isinstance(request_id, int) else None
    if request is None or (request.expires_at <= clock.now() and request.used_at is None):
        raise errors.ExpiredToken
    return request


def _purpose(kind: LinkKind) -> str:
    return f"link-{kind.value}"


def _may_mail(key: str, origin: Origin) -> bool:
    present, digest = settings.current(), signing.digests("limit", key)[0][:32]
    buckets = (
        (f"link:address:{digest}", 1, present.link_interval),
        (f"link:day:{digest}", present.links_per_day, _DAY),
        (f"link:network:{agents.network(origin.source_address)}", present.signups_per_network, timedelta(hours=1)),
    )
    # From every one of them, whatever the answer: each takes the same work.
    taken = [limits.take(name, capacity=capacity, period=period) for name, capacity, period in buckets]
    return all(taken)
