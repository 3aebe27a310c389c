"""The one commit point: what all connections made ready together, written down in one transaction."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from newsletter.outbox import ledger, settling
from newsletter.outbox.ledger import Claim
from newsletter.outbox.replies import Fate
from newsletter.outbox.rounds import Rounds


@dataclass
class Round:
    """The ends and the wishes to begin of one round: claims with what became of them, and claims whose body waits."""

    ended: list[tuple[Claim, settling.Settlement]] = field(default_factory=list)
    asked: list[Claim] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.ended and not self.asked

    def is_ordinary(self, on_trial: Collection[int]) -> bool:
        """Whether everything that ended was sent, for one worker, in runs whose breakers count no longer."""
        return (
            all(each.verdict.fate is Fate.SENT and each.run_id not in on_trial for _, each in self.ended)
            and len({claim.worker_id for claim in self.claims()}) == 1
        )

    def claims(self) -> list[Claim]:
        return [*(claim for claim, _ in self.ended), *self.asked]


@dataclass
class Recorded:
    """Which bodies may go; the states messages went to; runs found stopped, with the reason where it was just now."""

    granted: set[int] = field(default_factory=set)
    states: Counter[str] = field(default_factory=Counter)
    paused: dict[int, str] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)


class Recorder:
    """Commits rounds over one connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rounds = Rounds(engine)
        self._rests_until = 0.0

    @property
    def rests(self) -> float:
        """Seconds for which the lock of a SQLite database is left to others.

        In a tight loop the web's writers starve (95th percentile 0.7-2.9 s): it is free for half as long as it was
        held.
        """
        return max(0.0, self._rests_until - time.monotonic()) if self._rests_until else 0.0

    def record(self, one: Round, *, again: bool, on_trial: Collection[int]) -> Recorded:
        """Commit a round. `again` says that an earlier try may have been committed although it failed for us."""
        began, recorded = time.monotonic(), Recorded()
        if not again and one.is_ordinary(on_trial):
            self._write_ordinary(one, recorded)
        else:
            with self._engine.begin() as connection:
                for worker_id in {claim.worker_id for claim in one.claims()}:
                    _end(connection, worker_id, one, recorded)
                    _begin(connection, worker_id, one.asked, recorded, again=again)
        denied = [claim for claim in one.asked if claim.row.id not in recorded.granted]
        if denied or recorded.paused:
            with self._engine.begin() as connection:
                _turn_back(connection, denied, recorded)
        if self._engine.dialect.name == "sqlite":
            now = time.monotonic()
            self._rests_until = now + (now - began) / 2
        return recorded

    def close(self) -> None:
        """Give the connection back."""
        self._rounds.close()

    def _write_ordinary(self, one: Round, recorded: Recorded) -> None:
        worker_id = one.claims()[0].worker_id
        sent = [(claim.row.id, each.reply.code or 0, each.reply.text) for claim, each in one.ended]
        count, recorded.granted = self._rounds.write(worker_id, sent, [claim.row.id for claim in one.asked])
        recorded.states["sent"] += count


def _end(connection: Connection, worker_id: int, one: Round, recorded: Recorded) -> None:
    theirs = [settlement for claim, settlement in one.ended if claim.worker_id == worker_id]
    if theirs:
        settled = settling.settle(connection, worker_id, theirs)
        recorded.states += settled.states
        recorded.paused |= settled.paused


def _begin(connection: Connection, worker_id: int, asked: Sequence[Claim], recorded: Recorded, *, again: bool) -> None:
    # Ends before beginnings: a run that an end pauses gets no further body in the same round.
    theirs = [claim.row.id for claim in asked if claim.worker_id == worker_id]
    recorded.granted |= ledger.intend(connection, worker_id, theirs, again=again)


def _turn_back(connection: Connection, denied: Sequence[Claim], recorded: Recorded) -> None:
    for worker_id in {claim.worker_id for claim in denied}:
        ids = [claim.row.id for claim in denied if claim.worker_id == worker_id]
        recorded.states["skipped"] += ledger.turn_back(connection, worker_id, ids)
    recorded.stopped = ledger.not_running(connection, [*(claim.run_id for claim in denied), *recorded.paused])
