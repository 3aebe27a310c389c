"""Looking up readers: who there is, in which state, and what one of them agreed to."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, select

from newsletter import clock, db, errors
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.outbox.models import Suppression

PAGE = 50


class Standing(enum.StrEnum):
    """A reader's state as the desk shows it, the first that applies."""

    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    CONFIRMED = "confirmed"
    PENDING = "pending"
    ENDED = "ended"


@dataclass(frozen=True)
class Listed:
    """One line of the list."""

    subscriber: Subscriber
    standing: Standing


def page(*, words: str = "", standing: str = "", after: int = 0) -> list[Listed]:
    """Up to PAGE readers above the id `after` whose address holds `words`; raises BadInput for an unknown standing."""
    expression = _standing(clock.now())
    statement = select(Subscriber, expression).where(Subscriber.id > after).order_by(Subscriber.id).limit(PAGE)
    if words:
        statement = statement.where(Subscriber.address_key.contains(words.strip().lower(), autoescape=True))
    if standing:
        if standing not in list(Standing):
            raise errors.BadInput("There is no such state.", field="state")
        statement = statement.where(expression == standing)
    return [Listed(subscriber, Standing(shown)) for subscriber, shown in db.session.execute(statement)]


def get(subscriber_id: int) -> Listed:
    """One reader; raises NotFound."""
    statement = select(Subscriber, _standing(clock.now())).where(Subscriber.id == subscriber_id)
    found = db.session.execute(statement).first()
    if found is None:
        raise errors.NotFound("There is no such reader.")
    return Listed(found[0], Standing(found[1]))


def find(key: str) -> Subscriber | None:
    """The reader of a canonical address, or None."""
    return db.session.scalars(select(Subscriber).filter_by(address_key=key)).first()


def counts() -> Mapping[Standing, int]:
    """How many readers stand where, every standing named."""
    expression = _standing(clock.now()).label("standing")
    grouped = select(expression.label("standing"), Subscriber.id).subquery()
    rows = db.session.execute(select(grouped.c.standing, func.count()).group_by(grouped.c.standing))
    found = {Standing(name): number for name, number in rows}
    return {standing: found.get(standing, 0) for standing in Standing}


def _standing(now: datetime) -> ColumnElement[str]:
    return case(
        (
            exists().where(and_(Suppression.address == Subscriber.address_key, Suppression.lifted_at.is_(None))),
            Standing.SUPPRESSED.value,
        ),
        (and_(Subscriber.paused_until > now, _has(SubscriptionState.CONFIRMED)), Standing.PAUSED.value),
        (_has(SubscriptionState.CONFIRMED), Standing.CONFIRMED.value),
        (_has(SubscriptionState.PENDING), Standing.PENDING.value),
        else_=Standing.ENDED.value,
    )


def _has(state: SubscriptionState) -> ColumnElement[bool]:
    return exists().where(and_(Subscription.subscriber_id == Subscriber.id, Subscription.state == state))
