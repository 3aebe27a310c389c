"""Signing up: a wish asked for by a form, one mail, and the confirmation that makes it a subscription."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Exists, Select, delete, exists, select, update

from newsletter import clock, db, errors, limits, settings, signing
from newsletter.audience import addresses, consent, preferences, reader_links, subscriptions, wishes
from newsletter.audience.consent import Origin, Shown
from newsletter.audience.models import (
    ConsentKind,
    ConsentRecord,
    SignupRequest,
    Subscriber,
    Subscription,
    SubscriptionState,
)
from newsletter.audience.reader_links import ReaderLink
from newsletter.audience.wishes import Wish
from newsletter.languages import speech
from newsletter.outbox import queue, suppression
from newsletter.outbox.models import SuppressionReason

MAIL = "confirmation"
TERMS_NEEDED = speech.later("Please tick the box if you agree. We can only write to you if you do.")
_PURPOSE = "confirm"
_MONTH = timedelta(days=30)


class LinkLapsed(errors.ExpiredToken):
    """This link is too old. Press the button, and we send you a new one."""


@dataclass(frozen=True)
class Ask:
    """One press of the sign-up button. Without `shown`, the texts in force are what was agreed to."""

    email: str
    origin: Origin
    newsletters: Sequence[str] = ()
    topics: Sequence[str] = ()
    subscriptions: Sequence[str] = ()
    terms: bool = False
    tracking: bool = False
    shown: Shown | None = None
    language: str = "en"


@dataclass(frozen=True)
class Pending:
    """What a confirmation link would confirm, for its page; `preferences` is a reader's token once it has been used.

    `is_more`: it comes on top of what the reader gets anyway.
    """

    address: str
    wishes: list[Wish]
    is_confirmed: bool
    is_more: bool
    preferences: str
    language: str


@dataclass(frozen=True)
class Confirmed:
    """What was confirmed, or had been `already`, or is `is_more` than before; `preferences` is the reader's token."""

    subscriptions: list[Wish]
    already: bool
    is_more: bool
    preferences: str
    language: str


def request_subscription(ask: Ask) -> None:
    """Store what was asked and mail once; the answer is the same whoever the address belongs to, and whether mailed.

    A reader with confirmed subscriptions keeps exactly those until the mail is answered. Past the limits, and to an
    address that complained, nothing is stored and nothing goes. Raises BadInput, or Refused while sign-up is closed.
    """
    address = addresses.parse(ask.email)
    wished = wishes.asked(ask.newsletters, ask.topics, ask.subscriptions)
    if not ask.terms:
        raise errors.BadInput(TERMS_NEEDED, field="terms")
    shown = ask.shown or consent.shown(ask.language)
    attempt = db.session.begin_nested()
    may_mail = _may_mail(address.key, ask.origin.source_address)
    _store(ask, subscriptions.reader_of(address, shown.language), wished, shown)
    if may_mail:
        attempt.commit()
    else:
        # Done, undone, and counted so that something is written: by its time, too, the answer tells nobody apart.
        attempt.rollback()
        limits.take("signup:unanswered", capacity=1000, period=timedelta(hours=1))


def token(request: SignupRequest) -> str:
    """The token of a request's confirmation link, always the same one."""
    return signing.sign(_PURPOSE, request.id)


def look_at(token: str) -> Pending:
    """What the link would confirm, changing nothing; raises BadToken, or ExpiredToken when unused and too old."""
    request = _request(token)
    reader = db.session.get_one(Subscriber, request.subscriber_id)
    if request.used_at is None:
        _check_age(request)
    return Pending(
        address=reader.address,
        wishes=wishes.of_keys(request.wishes),
        is_confirmed=request.used_at is not None,
        is_more=bool(subscriptions.held(reader, SubscriptionState.CONFIRMED)),
        preferences=_preferences(request) if request.used_at else "",
        language=reader.language,
    )


def confirm(token: str, origin: Origin) -> Confirmed:
    """Confirm every wish of one request; harmless twice. Raises BadToken, or ExpiredToken when unused and too old.

    Answering a mail proves that it arrives: a hard bounce is forgotten, and an erasure. A complaint stays.
    """
    request = _request(token)
    reader = subscriptions.locked_reader(request.subscriber_id)
    if reader is None:
        raise errors.BadToken
    db.session.refresh(request)
    wished = wishes.of_keys(request.wishes)
    if request.used_at is not None:
        return _confirmed(request, reader, wished, already=True, is_more=False)
    _check_age(request)
    request.used_at = clock.now()
    is_more = bool(subscriptions.held(reader, SubscriptionState.CONFIRMED))
    changed = subscriptions.put(reader, wished, SubscriptionState.CONFIRMED)
    _lift_suppression(reader.address_key)
    consent.record(ConsentKind.CONFIRMED, reader, wished, origin, shown=_agreed(request), request_id=request.id)
    if request.measurement and not reader.is_measured:
        preferences.measure(reader, origin, agreed=True, request_id=request.id)
    return _confirmed(request, reader, wished, already=not changed, is_more=is_more)


def send_again(token: str, origin: Origin) -> None:
    """Mail a new link for what a link asked for that is too old, within the limits; for a used one nothing is sent.

    Raises BadToken when nothing is kept of the request any more. What was agreed to is still what the form showed.
    """
    request = _request(token)
    reader = subscriptions.locked_reader(request.subscriber_id)
    if reader is None:
        raise errors.ExpiredToken
    attempt = db.session.begin_nested()
    if request.used_at is not None or not _may_mail(reader.address_key, origin.source_address):
        attempt.rollback()
        return
    attempt.commit()
    again = SignupRequest(
        subscriber_id=reader.id,
        wishes=request.wishes,
        measurement=request.measurement,
        created_at=clock.now(),
        expires_at=clock.now() + settings.current().confirmation_lifetime,
    )
    db.session.add(again)
    db.session.flush()
    wished, shown = wishes.of_keys(again.wishes), _agreed(request)
    consent.record(
        ConsentKind.REQUESTED, reader, wished, origin, shown=shown, request_id=again.id, note="a new link was asked for"
    )
    _mail(again, reader)


def delete_unconfirmed(now: datetime, *, limit: int = 500) -> int:
    """Delete up to `limit` people who asked and never confirmed anything; of them only their closed chains stay.

    Imported readers stay: they did not ask here, and wait to be asked.
    """
    before = now - settings.current().unconfirmed_lifetime
    _end_lapsed(before)
    ids = list(db.session.scalars(_never_confirmed(before).limit(limit)))
    if ids:
        consent.close(ids, channel="retention")
        db.session.execute(delete(Subscriber).where(Subscriber.id.in_(ids)))
    return len(ids)


def _store(ask: Ask, reader: Subscriber, wished: Sequence[Wish], shown: Shown) -> None:
    request = SignupRequest(
        subscriber_id=reader.id,
        wishes=[list(wish.key) for wish in wished],
        measurement=ask.tracking and settings.current().measures_readers,
        created_at=clock.now(),
        expires_at=clock.now() + settings.current().confirmation_lifetime,
    )
    db.session.add(request)
    db.session.flush()
    if not subscriptions.held(reader, SubscriptionState.CONFIRMED):
        subscriptions.put(reader, wished, SubscriptionState.PENDING)
    consent.record(ConsentKind.REQUESTED, reader, wished, ask.origin, shown=shown, request_id=request.id)
    _mail(request, reader)


def _mail(request: SignupRequest, reader: Subscriber) -> None:
    queue.enqueue(
        MAIL,
        recipient_id=request.id,
        address=reader.address,
        lifetime=settings.current().confirmation_expiry,
        despite_bounce=True,
    )


def _may_mail(key: str, source_address: str) -> bool:
    """Whether one more mail may go to this address, its domain, from this network, and at all.

    Takes from every limit whatever the answer, so that each takes the same work; the caller undoes that where it is no.
    """
    present, digest = settings.current(), signing.digests("limit", key)[0][:32]
    stopped = suppression.find(key)
    buckets = [
        (f"signup:address:{digest}", 1, present.confirmation_interval),
        (f"signup:month:{digest}", present.confirmations_per_month, _MONTH),
        (f"signup:network:{_network(source_address)}", present.signups_per_network, timedelta(hours=1)),
        (f"signup:domain:{key.rpartition('@')[2]}", present.signups_per_domain, timedelta(hours=1)),
        ("signup:total", present.signups_in_total, timedelta(hours=1)),
    ]
    if stopped and stopped.reason is SuppressionReason.HARD_BOUNCE:
        buckets.append((f"signup:bounced:{digest}", 1, present.bounced_interval))
    taken = [limits.take(name, capacity=capacity, period=period) for name, capacity, period in buckets]
    may_write = stopped is None or stopped.reason in (SuppressionReason.HARD_BOUNCE, SuppressionReason.ERASURE)
    return may_write and all(taken)


def _network(source_address: str) -> str:
    """The /24 or /64 an address belongs to: one household, office or attacker."""
    try:
        address = ipaddress.ip_address(source_address)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))


def _request(token: str) -> SignupRequest:
    request_id = signing.read(_PURPOSE, token)
    request = db.session.get(SignupRequest, request_id) if isinstance(request_id, int) else None
    if request is None:
        # It was deleted unconfirmed, or its person erased.
        raise errors.ExpiredToken
    return request


def _check_age(request: SignupRequest) -> None:
    if request.expires_at <= clock.now():
        raise LinkLapsed


def _confirmed(
    request: SignupRequest, reader: Subscriber, wished: list[Wish], *, already: bool, is_more: bool
) -> Confirmed:
    return Confirmed(
        subscriptions=wished,
        already=already,
        is_more=is_more,
        preferences=_preferences(request),
        language=reader.language,
    )


def _preferences(request: SignupRequest) -> str:
    return reader_links.token(ReaderLink(request.subscriber_id, request.wishes[0][0]))


def _lift_suppression(key: str) -> None:
    stopped = suppression.find(key)
    if stopped and stopped.reason in (SuppressionReason.HARD_BOUNCE, SuppressionReason.ERASURE):
        suppression.lift(key, "confirmed a sign-up")


def _agreed(request: SignupRequest) -> Shown | None:
    """What the form showed when this was asked."""
    asked = select(ConsentRecord).filter_by(request_id=request.id, kind=ConsentKind.REQUESTED)
    line = db.session.scalars(asked).first()
    if line is None or line.terms_version is None or line.privacy_version is None:
        return None
    return Shown(line.sentence, line.language, line.terms_version, line.privacy_version)


def _end_lapsed(before: datetime) -> None:
    """End what people who had read us before asked for again and did not confirm."""
    lapsed = select(Subscriber.id).where(
        _has_record(ConsentKind.CONFIRMED), _has_record(ConsentKind.REQUESTED), ~_has_request_since(before)
    )
    db.session.execute(
        update(Subscription)
        .where(Subscription.state == SubscriptionState.PENDING, Subscription.subscriber_id.in_(lapsed))
        .values(state=SubscriptionState.ENDED, ended_at=clock.now()),
        execution_options={"synchronize_session": False},
    )


def _never_confirmed(before: datetime) -> Select[int]:
    more = [ConsentKind.CONFIRMED, ConsentKind.WITHDRAWN, ConsentKind.IMPORTED]
    return (
        select(Subscriber.id)
        .where(Subscriber.created_at < before, ~_has_record(*more), ~_has_request_since(before))
        .where(_has_record(ConsentKind.REQUESTED))
        .order_by(Subscriber.id)
    )


def _has_record(*kinds: ConsentKind) -> Exists:
    return exists().where(ConsentRecord.subscriber_id == Subscriber.id, ConsentRecord.kind.in_(kinds))


def _has_request_since(moment: datetime) -> Exists:
    return exists().where(SignupRequest.subscriber_id == Subscriber.id, SignupRequest.created_at >= moment)
