"""What a person agreed to, how and when: append-only lines, and the proof made of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.audience import addresses
from newsletter.audience.models import ConsentKind, ConsentRecord, Subscriber, Subscription, SubscriptionState
from newsletter.audience.wishes import Wish
from newsletter.publication import legal
from newsletter.publication.models import LegalKind, Newsletter, Topic


@dataclass(frozen=True)
class Origin:
    """How and from where a person spoke: channel form | link | one-click | preferences | import | desk."""

    channel: str
    page: str = ""
    source_address: str = ""
    agent: str = ""


@dataclass(frozen=True)
class Shown:
    """The consent sentence a person read, spelled out, and the versions of the documents it named."""

    sentence: str
    language: str
    terms_version: int
    privacy_version: int


def shown(language: str = "en") -> Shown:
    """What a form shows now; raises Refused while sign-up is closed."""
    worded = legal.wording(language)
    terms, privacy = legal.current(LegalKind.TERMS, language), legal.current(LegalKind.PRIVACY, language)
    if not legal.is_open(language) or not (worded and terms and privacy):
        raise errors.Refused(
            "Sign-up is not open yet: the magazine has not published its terms of use and privacy policy."
        )
    return Shown(legal.spelled_out(worded, terms, privacy), language, terms.version, privacy.version)


def record(
    kind: ConsentKind,
    subscriber: Subscriber,
    wishes: Iterable[Wish],
    origin: Origin,
    *,
    shown: Shown | None = None,
    request_id: int | None = None,
    note: str = "",
) -> ConsentRecord:
    """Append one line about these wishes."""
    line = ConsentRecord(
        subscriber_id=subscriber.id,
        request_id=request_id,
        kind=kind,
        at=clock.now(),
        sentence=shown.sentence if shown else "",
        language=shown.language if shown else subscriber.language,
        terms_version=shown.terms_version if shown else None,
        privacy_version=shown.privacy_version if shown else None,
        wishes=[wish.name for wish in wishes],
        channel=origin.channel,
        # A database that refuses NUL must not refuse the consent.
        page=_clean(origin.page),
        source_address=_clean(origin.source_address),
        agent=_clean(origin.agent),
        note=note,
    )
    db.session.add(line)
    db.session.flush()
    return line


def proof(address: str) -> dict[str, Any]:
    """Everything known about one address, JSON-able, times in ISO 8601 UTC; raises BadInput or NotFound.

    {"address", "state": pending | confirmed | ended, "subscriptions": [...], "records": [...]} (GDPR 7(1)).
    """
    key = addresses.parse(address).key
    subscriber = db.session.scalars(select(Subscriber).filter_by(address_key=key)).first()
    if subscriber is None:
        raise errors.NotFound("Nothing is known about this address.")
    held = db.session.execute(
        select(Subscription, Newsletter.slug, Topic.slug)
        .join(Newsletter, Newsletter.id == Subscription.newsletter_id)
        .join(Topic, Topic.id == Subscription.topic_id)
        .filter(Subscription.subscriber_id == subscriber.id)
        .order_by(Subscription.id)
    )
    subscriptions = [_told_subscription(row, newsletter, topic) for row, newsletter, topic in held]
    records = db.session.scalars(
        select(ConsentRecord).filter_by(subscriber_id=subscriber.id).order_by(ConsentRecord.id)
    )
    return {
        "address": subscriber.address,
        "state": _state({each["state"] for each in subscriptions}),
        "language": subscriber.language,
        "subscriptions": subscriptions,
        "records": [_told_record(line) for line in records],
    }


def _clean(text: str) -> str:
    return text.replace("\0", "")[:500]


def _state(states: set[str]) -> str:
    for state in (SubscriptionState.CONFIRMED, SubscriptionState.PENDING):
        if state in states:
            return state.value
    return SubscriptionState.ENDED.value


def _told_subscription(row: Subscription, newsletter: str, topic: str) -> dict[str, Any]:
    return {
        "newsletter": newsletter,
        "topic": topic,
        "state": row.state.value,
        "created_at": row.created_at.isoformat(),
        "confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }


def _told_record(line: ConsentRecord) -> dict[str, Any]:
    return {
        "kind": line.kind.value,
        "at": line.at.isoformat(),
        "sentence": line.sentence,
        "language": line.language,
        "terms_version": line.terms_version,
        "privacy_version": line.privacy_version,
        "wishes": line.wishes,
        "channel": line.channel,
        "page": line.page,
        "source_address": line.source_address,
        "agent": line.agent,
        "request_id": line.request_id,
        "note": line.note,
    }
