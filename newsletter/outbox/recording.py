"""The one commit point: what all connections made ready together, written down in one transaction."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from newsletter.outbox import ledger, settling
from newsletter.outbox.ledger import Claim


@dataclass
class Round:
    """The ends and the wishes to begin of one round: claims with what became of them, and claims whose body waits."""

    ended: list[tuple[Claim, settling.Settlement]] = field(default_factory=list)
    asked: list[Claim] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.ended and not self.asked


@dataclass
class Recorded:
    """Which bodies may go; the states messages went to; runs found stopped, with the reason where it was just now."""

    granted: set[int] = field(default_factory=set)
    states: Counter[str] = field(default_factory=Counter)
    paused: dict[int, str] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)


def record(engine: Engine, one: Round, *, again: bool) -> Recorded:
    """Commit a round. `again` says that an earlier try may have been committed although it failed for us.

    Ends before beginnings: a run that an end pauses gets no further body in the same round.
    """
    recorded, began = Recorded(), time.monotonic()
    with engine.begin() as connection:
        for worker_id in {claim.worker_id for claim in _claims(one)}:
            _end(connection, worker_id, one, recorded)
            _begin(connection, worker_id, one.asked, recorded, again=again)
        denied = [claim.run_id for claim in one.asked if claim.row.id not in recorded.granted]
        recorded.stopped = ledger.not_running(connection, [*denied, *recorded.paused])
    if engine.dialect.name == "sqlite":
        # In a tight loop the web's writers starve (95th percentile 0.7-2.9 s): leave them the lock for a while.
        time.sleep((time.monotonic() - began) / 2)
    return recorded


def _end(connection: Connection, worker_id: int, one: Round, recorded: Recorded) -> None:
    theirs = [settlement for claim, settlement in one.ended if claim.worker_id == worker_id]
    if theirs:
        settled = settling.settle(connection, worker_id, theirs)
        recorded.states += settled.states
        recorded.paused |= settled.paused


def _begin(connection: Connection, worker_id: int, asked: Sequence[Claim], recorded: Recorded, *, again: bool) -> None:
    theirs = [claim.row.id for claim in asked if claim.worker_id == worker_id]
    granted = ledger.intend(connection, worker_id, theirs, again=again)
    skipped = ledger.turn_back(connection, worker_id, [each for each in theirs if each not in granted])
    recorded.granted |= granted
    recorded.states["skipped"] += skipped


def _claims(one: Round) -> list[Claim]:
    return [*(claim for claim, _ in one.ended), *one.asked]
