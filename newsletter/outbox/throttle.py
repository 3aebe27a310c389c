"""Token buckets in the database: how many messages may leave now, to the relay as a whole and to one domain.

Each function works on a Core connection inside the caller's transaction, as in ledger.py. A bucket holds one second's
worth of tokens (at least one), so that in any window of `w` seconds all workers together are given at most `rate * w`
and that one burst.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, or_, select, text, update

from newsletter import db, settings
from newsletter.outbox import sql
from newsletter.outbox.models import Message, Throttle

RELAY = ""

_GRACE = timedelta(seconds=1)  # a stream's message is looked at again within this after its turn came
_ALMOST = 1e-6  # of a token: what rounding may cost


@dataclass(frozen=True)
class Admitted:
    """Which messages may leave now, which wait for their domain's turn and until when, and which go back to the queue
    because the relay takes no more: nothing is worth claiming for the time of `rest`."""

    go: list[int]
    wait: dict[int, datetime] = field(default_factory=dict)
    back: list[int] = field(default_factory=list)
    rest: timedelta = timedelta(0)


def admit(
    connection: Connection, claims: Sequence[tuple[int, str]], limited: Collection[str], *, is_stream: bool = False
) -> Admitted:
    """Take tokens for (message id, domain) pairs, as far as there are any; `limited` are the keys that have a limit.

    What an issue's messages are not given is booked: each gets the time of its turn, so that a large backlog of one
    domain is looked at about once a token. A stream's messages get their turn first, and tokens are kept for them.
    """
    keys = {domain for _, domain in claims if domain in limited} | ({RELAY} & set(limited))
    buckets, now = _locked(connection, sorted(keys))
    by_domain = defaultdict[str, list[int]](list)
    for message_id, domain in claims:
        by_domain[domain].append(message_id)
    wait: dict[int, datetime] = {}
    for domain, ids in by_domain.items():
        if domain in buckets:
            taken = buckets[domain].take(len(ids), now, is_stream=is_stream)
            wait |= buckets[domain].book(ids[taken:], now, is_stream=is_stream)
    passed = [(message_id, domain) for message_id, domain in claims if message_id not in wait]
    back, rest = _take_of_relay(buckets, passed, now, is_stream=is_stream)
    if buckets:
        connection.execute(_WRITE, [bucket.values() for bucket in buckets.values()])
    return Admitted([each for each, _ in passed if each not in back], wait, sorted(back), rest)


def hold_back(connection: Connection, worker_id: int, admitted: Admitted) -> None:
    """Put claimed messages that were not admitted where they wait for their turn."""
    if admitted.wait:
        rows = [{"message": each, "worker": worker_id, "turn_at": at} for each, at in admitted.wait.items()]
        connection.execute(_WAIT, rows)
    if admitted.back:
        connection.execute(_BACK, {"ids": admitted.back, "worker": worker_id})


def is_anything_waiting(connection: Connection) -> bool:
    """Whether a message of a running run waits for nothing but its domain's turn."""
    return connection.execute(_WAITING).first() is not None


def slowed(connection: Connection) -> dict[str, float]:
    """The keys that pushed back lately, and their rates."""
    lately = sql.database_time(connection) - settings.current().pace_forget
    found = connection.execute(select(Throttle.key, Throttle.rate).where(Throttle.slowed_at > lately))
    return {key: rate for key, rate in found if rate is not None}


def slow(connection: Connection, key: str, *, lately: float) -> float:
    """The new rate of a key: halved once in `pace_ease`, or begun with half the messages a second it got `lately`."""
    chosen = settings.current()
    bucket, now = _one(connection, key)
    slowest = 1 / chosen.pace_slowest.total_seconds()
    if bucket.rate is None:
        bucket.began = max(bucket.ceiled(lately), slowest)
        bucket.rate = max(bucket.began / 2, slowest)
    elif bucket.slowed_at is not None and bucket.slowed_at > now - chosen.pace_ease:
        return bucket.rate
    else:
        bucket.rate = max(bucket.ceiled(bucket.rate) / 2, slowest)
    bucket.refill(now)
    connection.execute(_PACE, bucket.values() | {"to": bucket.rate, "was": bucket.began, "at": now})
    return bucket.rate


def ease(connection: Connection, key: str) -> None:
    """Raise a slowed key's rate by a twentieth of what it began with; once in `pace_ease`."""
    now = sql.database_time(connection)
    values = {"rate": Throttle.rate + Throttle.began / 20, "eased_at": now}
    due = (Throttle.key == key) & (Throttle.eased_at <= now - settings.current().pace_ease)
    connection.execute(update(Throttle).where(due, Throttle.rate.is_not(None)).values(values))


def sweep(connection: Connection) -> int:
    """Forget the domains that pushed back long ago, or lost their rate in the settings; how many they were."""
    long_ago = sql.database_time(connection) - 2 * settings.current().pace_forget
    is_quiet = or_(Throttle.slowed_at.is_(None), Throttle.slowed_at < long_ago) & (Throttle.refilled_at < long_ago)
    return connection.execute(delete(Throttle).where(is_quiet, Throttle.key.not_in(list(ceilings())))).rowcount


def ceilings() -> dict[str, float]:
    """The rates of the settings, by key."""
    chosen = settings.current()
    return settings.rates_of(chosen.domain_rates) | ({RELAY: chosen.relay_rate} if chosen.relay_rate else {})


@dataclass
class _Bucket:
    """One key's tokens, booked turns and rate, as read under its lock."""

    key: str
    ceiling: float | None
    rate: float | None
    began: float
    slowed_at: datetime | None
    tokens: float
    refilled_at: datetime
    booked_to: datetime
    kept_until: datetime

    @property
    def per_second(self) -> float | None:
        """What it may get; None: no limit."""
        return self.ceiling if self.rate is None else self.ceiled(self.rate)

    @property
    def burst(self) -> float:
        return max(1.0, self.per_second or 0.0)

    def ceiled(self, rate: float) -> float:
        return rate if self.ceiling is None else min(rate, self.ceiling)

    def refill(self, now: datetime) -> None:
        """Add what was earned since the last time. A clock set back earns nothing, and stops nothing."""
        earned = max(0.0, (now - self.refilled_at).total_seconds()) * (self.per_second or 0.0)
        if now < self.refilled_at:
            self.booked_to = self.kept_until = now
        self.tokens, self.refilled_at = min(self.burst, self.tokens + earned), now

    def take(self, most: int, now: datetime, *, is_stream: bool) -> int:
        """Take up to `most` tokens; how many it were. What is kept for a stream an issue does not get."""
        if self.per_second is None:
            return most
        if not is_stream and now < self.kept_until:
            return 0
        taken = min(most, int(self.tokens + _ALMOST))
        self.tokens = max(0.0, self.tokens - taken)
        return taken

    def put_back(self, number: int) -> None:
        self.tokens = min(self.burst, self.tokens + number)

    def book(self, ids: Sequence[int], now: datetime, *, is_stream: bool) -> dict[int, datetime]:
        """A turn for each, one token apart; those past the horizon are spread before it, to be looked at again."""
        if not ids or self.per_second is None:
            return {}
        ahead, apart = settings.current().pace_ahead, timedelta(seconds=1 / self.per_second)
        after = max(now - self.tokens * apart, self.kept_until - _GRACE if is_stream else self.booked_to)
        if is_stream:
            self.kept_until = min(after + len(ids) * apart, now + ahead) + _GRACE
        else:
            after = max(after, self.kept_until)
            self.booked_to = min(after + len(ids) * apart, now + ahead)
        turns = {each: after + place * apart for place, each in enumerate(ids, start=1)}
        return {each: at if at <= now + ahead else now + ahead * _spread(each) for each, at in turns.items()}

    def wait_for(self, tokens: int, now: datetime, *, is_stream: bool) -> timedelta:
        """How long until so many tokens, or a good part of a burst, are there."""
        needed = min(float(tokens), max(1.0, self.burst / 4))
        earning = timedelta(seconds=max(0.0, needed - self.tokens) / (self.per_second or 1.0))
        return earning if is_stream else max(earning, self.kept_until - now)

    def values(self) -> dict[str, Any]:
        return {
            "of": self.key,
            "left": self.tokens,
            "then": self.refilled_at,
            "booked": self.booked_to,
            "kept": self.kept_until,
        }


def _take_of_relay(
    buckets: dict[str, _Bucket], passed: Sequence[tuple[int, str]], now: datetime, *, is_stream: bool
) -> tuple[set[int], timedelta]:
    """Which messages the relay has no token for, and how long it will have none; their domains' tokens go back."""
    if RELAY not in buckets:
        return set(), timedelta(0)
    relay = buckets[RELAY]
    left_over = passed[relay.take(len(passed), now, is_stream=is_stream) :]
    if not left_over:
        return set(), timedelta(0)
    for _, domain in left_over:
        if domain in buckets:
            buckets[domain].put_back(1)
    rest = relay.wait_for(len(left_over), now, is_stream=is_stream)
    if is_stream:
        relay.book([message_id for message_id, _ in left_over], now, is_stream=True)
    return {message_id for message_id, _ in left_over}, rest


def _one(connection: Connection, key: str) -> tuple[_Bucket, datetime]:
    buckets, now = _locked(connection, [key])
    return buckets[key], now


def _locked(connection: Connection, keys: Sequence[str]) -> tuple[dict[str, _Bucket], datetime]:
    """The buckets of sorted keys, each locked, made where missing, and refilled; and the time, told under the locks."""
    if not keys:
        return {}, sql.database_time(connection)
    # FOR UPDATE on PostgreSQL; on SQLite the writing transaction already has the database to itself.
    reading = select(Throttle.__table__).where(Throttle.key.in_(keys)).order_by(Throttle.key).with_for_update()
    rows = connection.execute(reading).all()
    if len(rows) < len(keys):
        _make(connection, keys)
        rows = connection.execute(reading).all()
    now, rates = sql.database_time(connection), ceilings()
    buckets = {row.key: _bucket(row, rates.get(row.key), now) for row in rows}
    for bucket in buckets.values():
        bucket.refill(now)
    return buckets, now


def _bucket(row: Any, ceiling: float | None, now: datetime) -> _Bucket:
    is_slowed = row.slowed_at is not None and row.slowed_at > now - settings.current().pace_forget
    rate = row.rate if is_slowed else None
    times = (row.refilled_at, row.booked_to, row.kept_until)
    return _Bucket(row.key, ceiling, rate, row.began, row.slowed_at, row.tokens, *times)


def _make(connection: Connection, keys: Sequence[str]) -> None:
    now, rates = sql.database_time(connection), ceilings()
    rows = [
        {"key": key, "began": 0.0, "tokens": max(1.0, rates.get(key, 0.0))}
        | dict.fromkeys(("refilled_at", "booked_to", "kept_until"), now)
        for key in keys
    ]
    connection.execute(db.insert(Throttle, connection).on_conflict_do_nothing(), rows)


def _spread(message_id: int) -> float:
    """Between a half and one, evenly over many ids: the golden ratio leaves no two neighbours together."""
    return 0.5 + (message_id * 0.6180339887 % 1) / 2


_TABLE: Any = Throttle.__table__

_WRITE = (
    update(_TABLE)
    .where(_TABLE.c.key == bindparam("of"))
    .values(
        tokens=bindparam("left"),
        refilled_at=bindparam("then"),
        booked_to=bindparam("booked"),
        kept_until=bindparam("kept"),
    )
)

_PACE = _WRITE.values(rate=bindparam("to"), began=bindparam("was"), slowed_at=bindparam("at"), eased_at=bindparam("at"))

_WAIT = (
    update(Message.__table__)  # type: ignore[arg-type]  # mypy sees FromClause
    .where(Message.id == bindparam("message"), text(sql.OURS), Message.state == "claimed")
    .values(state="deferred", claimed_by=None, due_at=bindparam("turn_at"), last_phase="pace")
)

_BACK = sql.statement("""
    UPDATE message SET state = 'queued', claimed_by = NULL
    WHERE id IN :ids AND state = 'claimed' AND {ours}
""")

_WAITING = sql.statement("""
    SELECT id FROM message WHERE state = 'deferred' AND last_phase = 'pace'
       AND EXISTS (SELECT 1 FROM run WHERE run.id = message.run_id AND run.state = 'running') LIMIT 1
""")
