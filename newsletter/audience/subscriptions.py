"""The subscriptions of one reader: held, confirmed, ended; always under that reader's lock."""

from collections.abc import Iterable

from sqlalchemy import select

from newsletter import clock, db
from newsletter.audience import wishes
from newsletter.audience.addresses import Address
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.audience.wishes import Wish


def locked_reader(subscriber_id: int) -> Subscriber | None:
    """The reader, locked until the transaction ends, so that two presses of a button follow each other."""
    return db.session.scalars(select(Subscriber).filter_by(id=subscriber_id).with_for_update()).first()


def reader_of(address: Address, language: str) -> Subscriber:
    """The person of an address, made if new, and locked: of two who ask at once the second waits for the first."""
    row = {"address": address.display, "address_key": address.key, "language": language, "zone": ""}
    statement = db.insert(Subscriber).values(**row, created_at=clock.now()).on_conflict_do_nothing()
    db.session.execute(statement)
    return db.session.scalars(select(Subscriber).filter_by(address_key=address.key).with_for_update()).one()


def held(reader: Subscriber, *states: SubscriptionState) -> set[tuple[int, int]]:
    """The (newsletter id, topic id) pairs a reader has in any of these states."""
    rows = db.session.execute(
        select(Subscription.newsletter_id, Subscription.topic_id).where(
            Subscription.subscriber_id == reader.id, Subscription.state.in_(states)
        )
    )
    return set(rows)


def ended_confirmed(reader: Subscriber) -> set[tuple[int, int]]:
    """The pairs that had been confirmed when they ended."""
    return {
        (row.newsletter_id, row.topic_id)
        for row in _rows(reader)
        if row.state is SubscriptionState.ENDED and row.confirmed_at is not None
    }


def put(reader: Subscriber, wished: Iterable[Wish], state: SubscriptionState) -> list[Wish]:
    """Bring each wish to pending or confirmed; a confirmed one stays. Returns what changed."""
    rows = {(row.newsletter_id, row.topic_id): row for row in _rows(reader)}
    changed = []
    for wish in wished:
        row = rows.get(wish.key)
        if row is None:
            row = Subscription(
                subscriber_id=reader.id,
                newsletter_id=wish.newsletter.id,
                topic_id=wish.topic.id,
                state=SubscriptionState.ENDED,
                created_at=clock.now(),
            )
            db.session.add(row)
        if row.state in (state, SubscriptionState.CONFIRMED):
            continue
        row.state, row.ended_at = state, None
        row.confirmed_at = clock.now() if state is SubscriptionState.CONFIRMED else None
        changed.append(wish)
    db.session.flush()
    return changed


def end(reader: Subscriber, *, newsletter_id: int | None = None, keep: Iterable[tuple[int, int]] = ()) -> list[Wish]:
    """End every subscription of a newsletter, or of all, but those to `keep`. Returns what ended."""
    kept, ended = set(keep), []
    for row in _rows(reader):
        if row.state is SubscriptionState.ENDED or newsletter_id not in (None, row.newsletter_id):
            continue
        if (row.newsletter_id, row.topic_id) not in kept:
            row.state, row.ended_at = SubscriptionState.ENDED, clock.now()
            ended.append((row.newsletter_id, row.topic_id))
    db.session.flush()
    return wishes.of_keys(ended)


def _rows(reader: Subscriber) -> list[Subscription]:
    return list(db.session.scalars(select(Subscription).filter_by(subscriber_id=reader.id).order_by(Subscription.id)))
