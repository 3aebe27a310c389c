"""The delivery ledger: which messages are due, who holds them, and the last gate before the body.

Each function works on a Core connection inside the caller's transaction (`with engine.begin() as connection`), which
is short: no network and no rendering in it. The moves are those of states.MESSAGE_MOVES.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Boolean, Connection, column, select

from newsletter import clock, settings
from newsletter.outbox import composers, sql, workers
from newsletter.outbox.models import Message, Run


class Claim(NamedTuple):
    """A message held by a worker, with what its composer needs."""

    worker_id: int
    run_id: int
    domain: str
    row: composers.Row


@dataclass(frozen=True)
class Page:
    """What one look brought: messages claimed, all of one run, and how many were skipped as suppressed.

    `is_on_trial`: the run's breakers still count what becomes of each message.
    """

    claims: list[Claim]
    skipped: int = 0
    is_stream: bool = False
    is_on_trial: bool = True

    @property
    def is_empty(self) -> bool:
        return not self.claims and not self.skipped


def is_anything_due(connection: Connection, kinds: Sequence[str]) -> bool:
    """Whether a running run of these kinds has a message that is due."""
    parameters = {"kinds": list(kinds), "now": clock.now(), "after": 0}
    return connection.execute(_RUNS_IN_TURN, parameters).first() is not None


def is_anything_held(connection: Connection) -> bool:
    """Whether any worker holds a message."""
    return connection.execute(_ANY_HELD).first() is not None


def claim(connection: Connection, worker_id: int, kinds: Sequence[str], *, after_run: int = 0, limit: int) -> Page:
    """Up to `limit` due messages of one run: streams before issues, issues in turn (the next after `after_run`).

    Deferred messages that are due go back to the queue first, and suppressed ones are skipped. Raises WorkerDead.
    """
    workers.heartbeat(connection, worker_id)
    now, dialect = clock.now(), connection.dialect.name
    parameters = {"kinds": list(kinds), "now": now, "after": after_run}
    for run in connection.execute(_RUNS_IN_TURN, parameters).all():
        of_run = {"run": run.id, "now": now, "worker": worker_id, "most": limit}
        connection.execute(_REQUEUING[dialect], of_run)
        found = connection.execute(_CLAIMING[dialect], of_run).all()
        if found:
            skipped = _skip_suppressed(connection, worker_id, [row.id for row in found if row.is_suppressed])
            claims = [
                Claim(worker_id, run.id, domain, composers.Row(message_id, run.kind, run.ref, *rest))
                for message_id, is_suppressed, domain, *rest in sorted(found, key=operator.itemgetter(0))
                if not is_suppressed
            ]
            is_on_trial = run.sampled < settings.current().breaker_sample or run.doubts_in_row > 0
            return Page(claims, len(skipped), run.is_stream, is_on_trial)
    return Page([])


def intend(connection: Connection, worker_id: int, ids: Sequence[int], *, again: bool = False) -> set[int]:
    """The last gate: mark messages as leaving; the body may be written only for the ids returned.

    Hit are those this worker still holds, of a running run, to an address that is not suppressed. With `again`, after
    a commit whose answer was lost, also those it had marked in that commit: their bodies are not written yet.
    """
    if not ids:
        return set()
    dialect = connection.dialect.name
    values = {"worker": worker_id, "ids": sql.listed(dialect, ids)}
    granted = set(connection.execute(_INTENDING[dialect], values).scalars())
    if again:
        granted |= set(connection.execute(_INTENDED[dialect], values).scalars())
    return granted


def turn_back(connection: Connection, worker_id: int, ids: Sequence[int]) -> int:
    """Give up claims whose body was not begun: suppressed ones are skipped, others queued; how many were skipped."""
    if not ids:
        return 0
    skipped = _skip_suppressed(connection, worker_id, ids)
    dialect = connection.dialect.name
    connection.execute(_UNCLAIM[dialect], {"worker": worker_id, "ids": sql.listed(dialect, ids)})
    return len(skipped)


def forget(connection: Connection, worker_id: int, *, keep: Sequence[int]) -> None:
    """Give back what this worker claimed in a commit whose answer was lost: all but what it knows it holds."""
    dialect = connection.dialect.name
    connection.execute(_FORGETTING[dialect], {"worker": worker_id, "ids": sql.listed(dialect, keep)})


def not_running(connection: Connection, run_ids: Sequence[int]) -> set[int]:
    """Which of these runs are paused, cancelled or otherwise not to be sent."""
    running = select(Run.id).where(Run.id.in_(run_ids), Run.state == "running")
    return set(run_ids) - set(connection.execute(running).scalars())


def expire(connection: Connection) -> int:
    """Give up what has waited longer than its run's lifetime since queueing, release and resume; returns how many.

    At most a page a run: a million messages are not to be rewritten while everybody else waits.
    """
    now, expired, most = clock.now(), 0, settings.current().sweep_page
    runs = connection.execute(
        select(Run.id, Run.running_since, Run.lifetime_seconds).where(Run.state == "running")
    ).all()
    for run in runs:
        limit_at = now - timedelta(seconds=run.lifetime_seconds)
        if run.running_since <= limit_at:
            expired += connection.execute(
                _EXPIRE, {"run": run.id, "limit_at": limit_at, "now": now, "most": most}
            ).rowcount
    return expired


def finish_runs(connection: Connection) -> list[int]:
    """Finish the running issues of which no message is open; returns the ids of their runs."""
    now = clock.now()
    connection.execute(_CANCEL_STRAGGLERS, {"now": now, "most": settings.current().sweep_page})
    return list(connection.execute(_FINISH, {"now": now}).scalars())


def _skip_suppressed(connection: Connection, worker_id: int, ids: Sequence[int]) -> list[int]:
    if not ids:
        return []
    dialect = connection.dialect.name
    parameters = {"worker": worker_id, "ids": sql.listed(dialect, ids), "now": clock.now()}
    return list(connection.execute(_SKIP_SUPPRESSED[dialect], parameters).scalars())


# Never written to, unless this is a confirmation that its reader asked for after a bounce. In a RETURNING SQLite does
# not know that the key is text, and would read the whole index for each message.
SUPPRESSED = """
    EXISTS (SELECT 1 FROM suppression WHERE suppression.address = CAST(message.address_key AS text)
            AND suppression.lifted_at IS NULL
            AND NOT (message.despite_bounce AND suppression.reason = 'hard_bounce'))
"""

_ANY_HELD = sql.statement("SELECT id FROM message WHERE claimed_by IS NOT NULL LIMIT 1")

# A run between itself and itself, in the order of ix_message_queued: with an equality PostgreSQL takes the order from
# the primary key instead, and reads all that was sent before it comes to what is queued (at a million messages, half
# of them sent, 310 ms a page instead of 9).
_RUNS_IN_TURN = sql.statement("""
    SELECT id, kind, ref, is_stream, sampled, doubts_in_row FROM run WHERE state = 'running' AND kind IN :kinds
       AND ((SELECT message.id FROM message WHERE run_id >= run.id AND run_id <= run.id
                AND state = 'queued' AND due_at <= :now ORDER BY run_id, message.id LIMIT 1) IS NOT NULL
         OR EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND state = 'deferred' AND due_at <= :now))
    ORDER BY is_stream DESC, priority DESC, (id > :after) DESC, id
""")

_REQUEUE_DUE = """
    UPDATE message SET state = 'queued'
    WHERE id {among}(SELECT id FROM message WHERE run_id = :run AND state = 'deferred' AND due_at <= :now
                     ORDER BY due_at LIMIT :most {lock}){end}
    RETURNING id
"""

# The Date header is set once: every attempt sends the same bytes. What follows the domain is what composers.Row has.
_CLAIM = """
    UPDATE message SET state = 'claimed', claimed_by = :worker, dated_at = coalesce(dated_at, :now)
    WHERE id {among}(SELECT id FROM message WHERE run_id >= :run AND run_id <= :run
                     AND state = 'queued' AND due_at <= :now ORDER BY run_id, id LIMIT :most {lock}){end}
    RETURNING id, {suppressed}, domain, ref, recipient_id, address, message_id, dated_at
"""

# On SQLite BEGIN IMMEDIATE has the database to itself: there is nobody to step aside for. PostgreSQL reads the whole
# table when it does not know how few a page are (200 ms a claim at a million messages); an array it looks up.
_PAGES = {
    "sqlite": {"among": "IN ", "lock": "", "end": ""},
    "postgresql": {"among": "= ANY(ARRAY", "lock": "FOR UPDATE SKIP LOCKED", "end": ")"},
}
_REQUEUING = {dialect: sql.statement(_REQUEUE_DUE, **words) for dialect, words in _PAGES.items()}
_CLAIMED = (
    Message.id,
    column("is_suppressed", Boolean),
    Message.domain,
    Message.ref,
    Message.recipient_id,
    Message.address,
    Message.message_id,
    Message.dated_at,
)
_CLAIMING = {
    dialect: sql.statement(_CLAIM, suppressed=SUPPRESSED, **words).columns(*_CLAIMED)
    for dialect, words in _PAGES.items()
}

_SKIP_SUPPRESSED = sql.statements(
    """
    UPDATE message SET state = 'skipped', claimed_by = NULL, settled_at = :now, last_reply = 'suppressed'
    WHERE id {among} AND state = 'claimed' AND {ours} AND {suppressed}
    RETURNING id
    """,
    suppressed=SUPPRESSED,
)

_INTEND = """
    UPDATE message SET state = 'sending'
    WHERE id {among} AND state = 'claimed' AND {ours}
      AND EXISTS (SELECT 1 FROM run WHERE run.id = message.run_id AND run.state = 'running')
      AND NOT {suppressed}
    RETURNING id
"""
INTEND = {
    dialect: _INTEND.format(among=among, ours=sql.OURS, suppressed=SUPPRESSED) for dialect, among in sql.AMONG.items()
}
_INTENDING = {dialect: sql.statement(written) for dialect, written in INTEND.items()}
_INTENDED = sql.statements("SELECT id FROM message WHERE id {among} AND state = 'sending' AND {ours}")

_UNCLAIM = sql.statements("""
    UPDATE message SET state = 'queued', claimed_by = NULL
    WHERE id {among} AND state = 'claimed' AND {ours}
""")

_FORGETTING = sql.statements("""
    UPDATE message SET state = 'queued', claimed_by = NULL
    WHERE claimed_by = :worker AND state = 'claimed' AND NOT (id {among})
""")

_EXPIRE = sql.statement("""
    UPDATE message SET state = 'expired', settled_at = :now
    WHERE id IN (SELECT id FROM message WHERE run_id = :run AND state = 'queued' AND created_at <= :limit_at
                 LIMIT :most)
       OR id IN (SELECT id FROM message WHERE run_id = :run AND state = 'deferred' AND created_at <= :limit_at
                 LIMIT :most)
""")

# What had not left when its run was cancelled, or was on the wire then and came back.
_CANCEL_STRAGGLERS = sql.statement("""
    UPDATE message SET state = 'cancelled', settled_at = :now
    WHERE id IN (SELECT message.id FROM message JOIN run ON run.id = message.run_id
                 WHERE message.state = 'queued' AND run.state = 'cancelled' AND run.kind <> 'discarded'
                 LIMIT :most)
       OR id IN (SELECT message.id FROM message JOIN run ON run.id = message.run_id
                 WHERE message.state = 'deferred' AND run.state = 'cancelled' AND run.kind <> 'discarded'
                 LIMIT :most)
""")

_FINISH = sql.statement("""
    UPDATE run SET state = 'finished', finished_at = :now
    WHERE state = 'running' AND NOT is_stream
      AND NOT EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND state = 'queued')
      AND NOT EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND state = 'deferred')
      AND NOT EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND claimed_by IS NOT NULL)
    RETURNING id
""")
