"""The one commit point: what all connections made ready together, written down in one transaction.

Where a server does the work (PostgreSQL) the connections are served while a round is on its way; there is never more
than one. A thread that waits for the database instead cost a third more time than it saved, on either.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from newsletter.outbox import ledger, rounds, settling
from newsletter.outbox.ledger import Claim
from newsletter.outbox.parcels import Parcel
from newsletter.outbox.replies import Fate


@dataclass
class Round:
    """The ends and the wishes to begin of one round: claims with what became of them, and parcels whose body waits."""

    ended: list[tuple[Claim, settling.Settlement]] = field(default_factory=list)
    asked: list[Parcel] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ended or self.asked)

    def __add__(self, later: "Round") -> "Round":
        return Round(self.ended + later.ended, self.asked + later.asked)

    @property
    def is_ordinary(self) -> bool:
        """Whether everything that ended was sent, and all is one worker's."""
        return all(each.verdict.fate is Fate.SENT for _, each in self.ended) and len(self.worker_ids()) == 1

    def trials(self, on_trial: Collection[int]) -> list[tuple[int, int]]:
        """How many messages of each run whose breakers still count ended."""
        return list(Counter(each.run_id for _, each in self.ended if each.run_id in on_trial).items())

    def worker_ids(self) -> set[int]:
        return {claim.worker_id for claim, _ in self.ended} | {parcel.claim.worker_id for parcel in self.asked}


@dataclass
class Recorded:
    """Which bodies may go; the states messages went to; runs found stopped, with the reason where it was just now;
    and how many seconds it took."""

    granted: set[int] = field(default_factory=set)
    states: Counter[str] = field(default_factory=Counter)
    paused: dict[int, str] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    seconds: float = 0.0


@dataclass
class Writing:
    """A round on its way into the database. `fileno` is readable when it may be over; None: it waits for nothing."""

    round: Round
    is_over: Callable[[], bool]
    result: Callable[[], Recorded]  # waits for it; raises OperationalError when the database did not say it did so
    fileno: int | None = None


class Recorder:
    """Commits rounds, one at a time, over one connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rounds = rounds.of(engine)
        self._rests_until = 0.0

    @property
    def rests(self) -> float:
        """Seconds for which the lock of a SQLite database is left to others.

        In a tight loop the web's writers starve (95th percentile 0.7-2.9 s): it is free for half as long as it was
        held.
        """
        return max(0.0, self._rests_until - time.monotonic()) if self._rests_until else 0.0

    def begin(self, one: Round, *, again: bool, on_trial: Collection[int]) -> Writing:
        """Send a round on its way. `again` says that an earlier try may have been committed although it failed for us.

        Raises OperationalError when it cannot be.
        """
        began = time.monotonic()
        if again or not one.is_ordinary:
            return Writing(one, lambda: True, lambda: self._finish(one, began, self._write(one, again=again)))
        (worker_id,) = one.worker_ids()
        sent = [(claim.row.id, each.reply.code or 0, each.reply.text) for claim, each in one.ended]
        asked = [parcel.claim.row.id for parcel in one.asked]
        self._rounds.begin(worker_id, sent, asked, one.trials(on_trial) if on_trial else ())

        def result() -> Recorded:
            written = self._rounds.result()
            return self._finish(one, began, Recorded(written.granted, Counter(sent=written.sent)))

        return Writing(one, self._rounds.is_over, result, self._rounds.fileno)

    def close(self) -> None:
        """Give the connection back."""
        self._rounds.close()

    def _write(self, one: Round, *, again: bool) -> Recorded:
        recorded = Recorded()
        with self._engine.begin() as connection:
            for worker_id in one.worker_ids():
                _end(connection, worker_id, one, recorded)
                _begin(connection, worker_id, one.asked, recorded, again=again)
        return recorded

    def _finish(self, one: Round, began: float, recorded: Recorded) -> Recorded:
        denied = [parcel.claim for parcel in one.asked if parcel.claim.row.id not in recorded.granted]
        if denied or recorded.paused:
            with self._engine.begin() as connection:
                _turn_back(connection, denied, recorded)
        recorded.seconds = time.monotonic() - began
        if self._engine.dialect.name == "sqlite":
            self._rests_until = time.monotonic() + recorded.seconds / 2
        return recorded


def _end(connection: Connection, worker_id: int, one: Round, recorded: Recorded) -> None:
    theirs = [settlement for claim, settlement in one.ended if claim.worker_id == worker_id]
    if theirs:
        settled = settling.settle(connection, worker_id, theirs)
        recorded.states += settled.states
        recorded.paused |= settled.paused


def _begin(connection: Connection, worker_id: int, asked: Sequence[Parcel], recorded: Recorded, *, again: bool) -> None:
    # Ends before beginnings: a run that an end pauses gets no further body in the same round.
    theirs = [parcel.claim.row.id for parcel in asked if parcel.claim.worker_id == worker_id]
    recorded.granted |= ledger.intend(connection, worker_id, theirs, again=again)


def _turn_back(connection: Connection, denied: Sequence[Claim], recorded: Recorded) -> None:
    for worker_id in {claim.worker_id for claim in denied}:
        ids = [claim.row.id for claim in denied if claim.worker_id == worker_id]
        recorded.states["skipped"] += ledger.turn_back(connection, worker_id, ids)
    recorded.stopped = ledger.not_running(connection, [*(claim.run_id for claim in denied), *recorded.paused])
