"""Who reads a newsletter: its confirmed subscribers, walked by key in pages with the topics each one takes."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Select, String, and_, case, cast, distinct, func, select

from newsletter import db
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.outbox.models import Suppression

PAUSED = "paused"
SUPPRESSED = "suppressed"


@dataclass(frozen=True)
class Reader:
    """A confirmed subscriber of a newsletter; `reason` says why no mail may go, and is empty where it may."""

    id: int
    address: str
    language: str
    topic_ids: frozenset[int]  # taken in this newsletter
    taken_ids: frozenset[int]  # taken in any newsletter
    reason: str


def page(newsletter_id: int, *, after: int, limit: int, at: datetime) -> list[Reader]:
    """The next readers whose id is above `after`, in order, as of the instant `at`; an empty list ends the walk."""
    return [
        Reader(row.id, row.address, row.language, _ids(row.own), _ids(row.taken), row.reason)
        for row in db.session.execute(_page_query(newsletter_id, after, limit, at))
    ]


def unconfirmed(newsletter_id: int) -> int:
    """How many people asked for the newsletter and have not confirmed any of it."""
    pending = select(Subscription.subscriber_id).filter_by(newsletter_id=newsletter_id, state=SubscriptionState.PENDING)
    return (
        db.session.scalar(
            select(func.count(distinct(Subscription.subscriber_id))).where(
                Subscription.newsletter_id == newsletter_id,
                Subscription.subscriber_id.in_(pending),
                Subscription.subscriber_id.not_in(_confirmed(newsletter_id)),
            )
        )
        or 0
    )


def _page_query(newsletter_id: int, after: int, limit: int, at: datetime) -> Select[int, str, str, str, str, str]:
    """One statement a page, one row a reader: a million readers are never a million queries, nor all in memory."""
    ids = (
        _confirmed(newsletter_id)
        .where(Subscription.subscriber_id > after)
        .distinct()
        .order_by(Subscription.subscriber_id)
        .limit(limit)
        .subquery()
    )
    topic = cast(Subscription.topic_id, String)
    own = func.aggregate_strings(topic, ",").filter(Subscription.newsletter_id == newsletter_id)
    reason = case((func.max(Suppression.id).is_not(None), SUPPRESSED), (Subscriber.paused_until > at, PAUSED), else_="")
    return (
        select(
            Subscriber.id,
            Subscriber.address,
            Subscriber.language,
            own.label("own"),
            func.aggregate_strings(topic, ",").label("taken"),
            reason.label("reason"),
        )
        .join(ids, ids.c.subscriber_id == Subscriber.id)
        .join(
            Subscription,
            and_(Subscription.subscriber_id == Subscriber.id, Subscription.state == SubscriptionState.CONFIRMED),
        )
        .outerjoin(Suppression, and_(Suppression.address == Subscriber.address_key, Suppression.lifted_at.is_(None)))
        .group_by(Subscriber.id)
        .order_by(Subscriber.id)
    )


def _confirmed(newsletter_id: int) -> Select[int]:
    return select(Subscription.subscriber_id).where(
        Subscription.newsletter_id == newsletter_id, Subscription.state == SubscriptionState.CONFIRMED
    )


@lru_cache(maxsize=10_000)
def _ids(joined: str) -> frozenset[int]:
    # Few combinations of topics are shared by very many readers.
    return frozenset(int(part) for part in joined.split(","))
