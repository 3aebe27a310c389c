"""Looking up readers: who there is, in which state, and what one of them takes.

A page looks at so many readers and no more, however many there are: where few fit, it says from where to look on.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, collate, exists, func, select, union_all

from newsletter import clock, db, errors
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.outbox.models import Suppression
from newsletter.publication import newsletters, topics
from newsletter.publication.models import Newsletter, Topic

PAGE = 50
# Readers looked at for one page, the first pieces of them small since most pages are full soon; some 100 ms in all,
# measured with a million of them (benchmarks/desk.py).
_PIECES = (200, 600, 1200)
# Readers asked for the lowest and the highest number of those who came in some days.
_EDGE = 5000
# Above every letter there is.
_LAST = "\U0010ffff"


class Standing(enum.StrEnum):
    """A reader's state as the desk shows it, the first that applies."""

    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    CONFIRMED = "confirmed"
    PENDING = "pending"
    ENDED = "ended"


@dataclass(frozen=True)
class Search:
    """Whom to look for: by how the address begins, what they take or took, their state, when they came (UTC days)."""

    words: str = ""
    newsletter: str = ""
    topic: str = ""
    standing: str = ""
    joined_from: date | None = None
    joined_to: date | None = None

    @property
    def key(self) -> str:
        return self.words.strip().lower()


@dataclass(frozen=True)
class Listed:
    """One line of the list."""

    subscriber: Subscriber
    standing: Standing


@dataclass(frozen=True)
class Page:
    """Some readers; `further` is where to look on, or None when all were looked at."""

    readers: Sequence[Listed]
    further: str | None


@dataclass(frozen=True)
class _Wanted:
    """A search with its slugs looked up."""

    search: Search
    newsletter_ids: Sequence[int]
    topic_id: int | None
    # The newsletters whose readers are walked one after the other; None stands for all of them.
    walked_ids: Sequence[int | None]
    # The lowest and the highest number of those who came in the days asked for; asked once a page.
    bounds: tuple[int, int] | None
    now: datetime

    @property
    def is_by_address(self) -> bool:
        """Whether they are walked by their addresses rather than by their numbers, the newest first."""
        return bool(self.search.key) or self.search.standing == Standing.SUPPRESSED


def page(search: Search = Search(), *, after: str = "", limit: int = PAGE) -> Page:
    """Up to `limit` readers that fit, past `after`: the newest first, or by address where one is looked for.

    Raises BadInput for an unknown state, NotFound for an unknown newsletter or topic.
    """
    wanted = _wanted(search)
    found: list[Listed] = []
    place = after
    for piece in _PIECES:
        ids = _candidates(wanted, place, piece)
        for listed in _fitting(wanted, [each.id for each in ids]):
            found.append(listed)
            if len(found) == limit:
                return Page(found, _place(wanted, listed.subscriber.id, listed.subscriber.address_key))
        if len(ids) < piece:
            return Page(found, None)
        place = _place(wanted, ids[-1].id, ids[-1].address_key)
    return Page(found, place)


def every(search: Search) -> Iterator[Listed]:
    """All readers that fit, read page by page."""
    after: str | None = ""
    while after is not None:
        found = page(search, after=after, limit=500)
        yield from found.readers
        after = found.further
        # A million readers are never all in memory.
        db.session.expunge_all()


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
    """How many readers stand where, every standing named; looks at each of them."""
    expression = _standing(clock.now()).label("standing")
    grouped = select(expression.label("standing"), Subscriber.id).subquery()
    rows = db.session.execute(select(grouped.c.standing, func.count()).group_by(grouped.c.standing))
    found = {Standing(name): number for name, number in rows}
    return {standing: found.get(standing, 0) for standing in Standing}


def taken_by(subscriber_ids: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """What each of these readers takes now: ("daily:music", its state), what ended left out."""
    rows = db.session.execute(
        select(Subscription.subscriber_id, Newsletter.slug, Topic.slug, Subscription.state)
        .join(Newsletter, Newsletter.id == Subscription.newsletter_id)
        .join(Topic, Topic.id == Subscription.topic_id)
        .where(Subscription.subscriber_id.in_(subscriber_ids), Subscription.state != SubscriptionState.ENDED)
        .order_by(Subscription.id)
    )
    found: dict[int, list[tuple[str, str]]] = {subscriber_id: [] for subscriber_id in subscriber_ids}
    for subscriber_id, newsletter, topic, state in rows:
        found[subscriber_id].append((f"{newsletter}:{topic}", state.value))
    return found


def _wanted(search: Search) -> _Wanted:
    if search.standing and search.standing not in list(Standing):
        raise errors.BadInput("There is no such state.", field="state")
    if search.joined_from and search.joined_to and search.joined_to < search.joined_from:
        raise errors.BadInput("The last day lies before the first.", field="to")
    chosen = [newsletters.get(search.newsletter).id] if search.newsletter else []
    topic = topics.find(search.topic) if search.topic else None
    if search.topic and topic is None:
        raise errors.NotFound("There is no such topic.")
    topic_id = topic.id if topic else None
    # A topic alone is walked whatever brings it.
    walked: Sequence[int | None] = chosen or ([None] if topic_id else [each.id for each in newsletters.all()])
    return _Wanted(search, chosen, topic_id, walked, _bounds(search), clock.now())


def _candidates(wanted: _Wanted, after: str, limit: int) -> Sequence[Any]:
    """The next readers by the index that leaves fewest: (id, address_key) rows."""
    if wanted.is_by_address:
        return _by_address(wanted, after, limit)
    before = int(after) if after.isdecimal() and len(after) < 10 else None
    columns = select(Subscriber.id, Subscriber.address_key).order_by(Subscriber.id.desc()).limit(limit)
    if wanted.search.standing == Standing.PAUSED:
        columns = columns.where(Subscriber.paused_until.is_not(None))
    bounds = wanted.bounds
    if bounds:
        columns = columns.where(Subscriber.id >= bounds[0], Subscriber.id <= bounds[1])
    if before is not None:
        columns = columns.where(Subscriber.id < before)
    states = _states(wanted)
    if states:
        columns = columns.where(Subscriber.id.in_(_subscribed(wanted, states, before, limit)))
    return db.session.execute(columns).all()


def _by_address(wanted: _Wanted, after: str, limit: int) -> Sequence[Any]:
    is_postgresql = db.session.get_bind().dialect.name == "postgresql"
    # The order of bytes, which PostgreSQL has an index of its own for (schema.POSTGRESQL_ONLY).
    key: Any = collate(Subscriber.address_key, "C") if is_postgresql else Subscriber.address_key
    columns = select(Subscriber.id, Subscriber.address_key).order_by(key).limit(limit)
    if wanted.search.key:
        columns = columns.where(key >= wanted.search.key, key < wanted.search.key + _LAST)
    else:
        stopped = select(Suppression.address).where(Suppression.lifted_at.is_(None), Suppression.address.is_not(None))
        columns = columns.where(Subscriber.address_key.in_(stopped))
    return db.session.execute(columns.where(key > after) if after else columns).all()


def _states(wanted: _Wanted) -> list[SubscriptionState]:
    """The states of subscriptions to look in; none: these readers are not looked for by what they take."""
    if wanted.search.standing == Standing.PAUSED:
        # They are few and have an index of their own; the next of a newsletter's readers may hold none of them.
        return []
    by_standing = {
        Standing.CONFIRMED.value: [SubscriptionState.CONFIRMED],
        Standing.PENDING.value: [SubscriptionState.PENDING],
    }
    if wanted.newsletter_ids or wanted.topic_id or wanted.search.standing == Standing.PENDING:
        return by_standing.get(wanted.search.standing, list(SubscriptionState))
    return []


def _subscribed(wanted: _Wanted, states: list[SubscriptionState], before: int | None, limit: int) -> Select[int]:
    """The next readers with such a subscription: a short walk of an index for each newsletter and state."""
    walks = []
    for state in states:
        for newsletter_id in wanted.walked_ids:
            # Several subscriptions of one reader stand side by side.
            walk = select(Subscription.subscriber_id).where(Subscription.state == state).distinct()
            if newsletter_id is not None:
                walk = walk.where(Subscription.newsletter_id == newsletter_id)
            if wanted.topic_id is not None:
                walk = walk.where(Subscription.topic_id == wanted.topic_id)
            if before is not None:
                walk = walk.where(Subscription.subscriber_id < before)
            if wanted.bounds:
                walk = walk.where(Subscription.subscriber_id.between(*wanted.bounds))
            walks.append(walk.order_by(Subscription.subscriber_id.desc()).limit(limit).subquery())
    return select(union_all(*[select(walk.c.subscriber_id) for walk in walks]).subquery().c.subscriber_id)


def _bounds(search: Search) -> tuple[int, int] | None:
    """The lowest and the highest number of those who came in these days; None when it does not matter.

    Numbers are given as readers come, but for moments: at each end a bounded number of them is looked at.
    """
    came = _came(search)
    if not came:
        return None
    at, number = Subscriber.created_at, Subscriber.id
    first = select(number.label("id")).where(*came).order_by(at, number).limit(_EDGE).subquery()
    last = select(number.label("id")).where(*came).order_by(at.desc(), number.desc()).limit(_EDGE).subquery()
    lowest = db.session.scalar(select(func.min(first.c.id)))
    highest = db.session.scalar(select(func.max(last.c.id)))
    return (0, -1) if lowest is None or highest is None else (lowest, highest)


def _came(search: Search) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if search.joined_from:
        found.append(Subscriber.created_at >= _midnight(search.joined_from))
    if search.joined_to:
        found.append(Subscriber.created_at < _midnight(search.joined_to + timedelta(days=1)))
    return found


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=clock.now().tzinfo)


def _fitting(wanted: _Wanted, ids: list[int]) -> list[Listed]:
    """Those of these readers that fit, in the order given."""
    search, expression = wanted.search, _standing(wanted.now)
    statement = select(Subscriber, expression).where(Subscriber.id.in_(ids), *_came(search))
    if search.standing:
        statement = statement.where(expression == search.standing)
    if wanted.newsletter_ids or wanted.topic_id:
        conditions = [Subscription.subscriber_id == Subscriber.id]
        if wanted.newsletter_ids:
            conditions.append(Subscription.newsletter_id.in_(wanted.newsletter_ids))
        if wanted.topic_id:
            # A sum, so that SQLite asks for the reader's few rows and not for the topic's many.
            conditions.append(Subscription.topic_id + 0 == wanted.topic_id)
        statement = statement.where(exists().where(*conditions))
    found = {row[0].id: Listed(row[0], Standing(row[1])) for row in db.session.execute(statement)}
    return [found[each] for each in ids if each in found]


def _place(wanted: _Wanted, subscriber_id: int, key: str) -> str:
    return key if wanted.is_by_address else str(subscriber_id)


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
