"""The delivery ledger: which messages are due, who holds them, and the last gate before the body.

Each function works on a Core connection inside the caller's transaction (`with engine.begin() as connection`), which
is short: no network and no rendering in it. The moves are those of states.MESSAGE_MOVES.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, select

from newsletter import clock
from newsletter.outbox import composers, sql, workers
from newsletter.outbox.models import Message, Run


@dataclass(frozen=True)
class Claim:
    """A message held by a worker, with what its composer needs."""

    worker_id: int
    run_id: int
    row: composers.Row


@dataclass(frozen=True)
class Page:
    """What one look brought: messages claimed, and how many were skipped as suppressed."""

    claims: list[Claim]
    skipped: int = 0

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
    parameters = {"kinds": list(kinds), "now": clock.now(), "after": after_run}
    for run_id in connection.execute(_RUNS_IN_TURN, parameters).scalars().all():
        of_run = {"run": run_id, "now": parameters["now"], "worker": worker_id, "most": limit}
        connection.execute(_REQUEUING[connection.dialect.name], of_run)
        claimed = set(connection.execute(_CLAIMING[connection.dialect.name], of_run).scalars())
        if claimed:
            skipped = _skip_suppressed(connection, worker_id, claimed)
            return Page(_claims(connection, worker_id, claimed - skipped), len(skipped))
    return Page([])


def intend(connection: Connection, worker_id: int, ids: Sequence[int], *, again: bool = False) -> set[int]:
    """The last gate: mark messages as leaving; the body may be written only for the ids returned.

    Hit are those this worker still holds, of a running run, to an address that is not suppressed. With `again`, after
    a commit whose answer was lost, also those it had marked in that commit: their bodies are not written yet.
    """
    if not ids:
        return set()
    parameters = {"worker": worker_id, "ids": list(ids)}
    granted = set(connection.execute(_INTEND, parameters).scalars())
    if again:
        granted |= set(connection.execute(_INTENDED, parameters).scalars())
    return granted


def turn_back(connection: Connection, worker_id: int, ids: Sequence[int]) -> int:
    """Give up claims whose body was not begun: suppressed ones are skipped, others queued; how many were skipped."""
    if not ids:
        return 0
    skipped = _skip_suppressed(connection, worker_id, set(ids))
    connection.execute(_UNCLAIM, {"worker": worker_id, "ids": list(ids)})
    return len(skipped)


def not_running(connection: Connection, run_ids: Sequence[int]) -> set[int]:
    """Which of these runs are paused, cancelled or otherwise not to be sent."""
    running = select(Run.id).where(Run.id.in_(run_ids), Run.state == "running")
    return set(run_ids) - set(connection.execute(running).scalars())


def expire(connection: Connection) -> int:
    """Give up what has waited longer than its run's lifetime since queueing, release and resume; returns how many."""
    now, expired = clock.now(), 0
    runs = connection.execute(
        select(Run.id, Run.running_since, Run.lifetime_seconds).where(Run.state == "running")
    ).all()
    for run in runs:
        limit_at = now - timedelta(seconds=run.lifetime_seconds)
        if run.running_since <= limit_at:
            expired += connection.execute(_EXPIRE, {"run": run.id, "limit_at": limit_at, "now": now}).rowcount
    return expired


def finish_runs(connection: Connection) -> list[int]:
    """Finish the running issues of which no message is open; returns the ids of their runs."""
    now = clock.now()
    connection.execute(_CANCEL_STRAGGLERS, {"now": now})
    return list(connection.execute(_FINISH, {"now": now}).scalars())


def _claims(connection: Connection, worker_id: int, ids: set[int]) -> list[Claim]:
    columns = (Message.id, Message.run_id, Message.ref, Message.recipient_id, Message.address, Message.message_id)
    statement = (
        select(*columns, Message.dated_at, Run.kind, Run.ref.label("run_ref"))
        .join(Run, Run.id == Message.run_id)
        .where(Message.id.in_(ids))
        .order_by(Message.id)
    )
    return [
        Claim(
            worker_id,
            found.run_id,
            composers.Row(
                id=found.id,
                kind=found.kind,
                run_ref=found.run_ref,
                ref=found.ref,
                recipient_id=found.recipient_id,
                address=found.address,
                message_id=found.message_id,
                dated_at=found.dated_at,
            ),
        )
        for found in connection.execute(statement)
    ]


def _skip_suppressed(connection: Connection, worker_id: int, ids: set[int]) -> set[int]:
    parameters = {"worker": worker_id, "ids": list(ids), "now": clock.now()}
    return set(connection.execute(_SKIP_SUPPRESSED, parameters).scalars())


# Never written to, unless this is a confirmation that its reader asked for after a bounce.
_SUPPRESSED = """
    EXISTS (SELECT 1 FROM suppression WHERE suppression.address = message.address_key
            AND suppression.lifted_at IS NULL
            AND NOT (message.despite_bounce AND suppression.reason = 'hard_bounce'))
"""

_ANY_HELD = sql.statement("SELECT id FROM message WHERE claimed_by IS NOT NULL LIMIT 1")

_RUNS_IN_TURN = sql.statement("""
    SELECT id FROM run WHERE state = 'running' AND kind IN :kinds
       AND (EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND state = 'queued' AND due_at <= :now)
         OR EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND state = 'deferred' AND due_at <= :now))
    ORDER BY is_stream DESC, priority DESC, (id > :after) DESC, id
""")

_REQUEUE_DUE = """
    UPDATE message SET state = 'queued'
    WHERE id IN (SELECT id FROM message WHERE run_id = :run AND state = 'deferred' AND due_at <= :now
                 ORDER BY due_at LIMIT :most {lock})
    RETURNING id
"""

# The Date header is set once: every attempt sends the same bytes.
_CLAIM = """
    UPDATE message SET state = 'claimed', claimed_by = :worker, dated_at = coalesce(dated_at, :now)
    WHERE id IN (SELECT id FROM message WHERE run_id = :run AND state = 'queued' AND due_at <= :now
                 ORDER BY id LIMIT :most {lock})
    RETURNING id
"""

# On SQLite BEGIN IMMEDIATE has the database to itself: there is nobody to step aside for.
_LOCKS = {"sqlite": "", "postgresql": "FOR UPDATE SKIP LOCKED"}
_REQUEUING = {dialect: sql.statement(_REQUEUE_DUE, lock=lock) for dialect, lock in _LOCKS.items()}
_CLAIMING = {dialect: sql.statement(_CLAIM, lock=lock) for dialect, lock in _LOCKS.items()}

_SKIP_SUPPRESSED = sql.statement(
    """
    UPDATE message SET state = 'skipped', claimed_by = NULL, settled_at = :now, last_reply = 'suppressed'
    WHERE id IN :ids AND state = 'claimed' AND claimed_by = :worker AND {suppressed}
    RETURNING id
    """,
    suppressed=_SUPPRESSED,
)

_INTEND = sql.statement(
    """
    UPDATE message SET state = 'sending'
    WHERE id IN :ids AND state = 'claimed' AND claimed_by = :worker
      AND EXISTS (SELECT 1 FROM run WHERE run.id = message.run_id AND run.state = 'running')
      AND NOT {suppressed}
    RETURNING id
    """,
    suppressed=_SUPPRESSED,
)

_INTENDED = sql.statement("SELECT id FROM message WHERE id IN :ids AND state = 'sending' AND claimed_by = :worker")

_UNCLAIM = sql.statement("""
    UPDATE message SET state = 'queued', claimed_by = NULL
    WHERE id IN :ids AND state = 'claimed' AND claimed_by = :worker
""")

_EXPIRE = sql.statement("""
    UPDATE message SET state = 'expired', settled_at = :now
    WHERE run_id = :run AND state IN ('queued', 'deferred') AND created_at <= :limit_at
""")

# A message that was on the wire when its run was cancelled, and came back.
_CANCEL_STRAGGLERS = sql.statement("""
    UPDATE message SET state = 'cancelled', settled_at = :now
    WHERE state IN ('queued', 'deferred') AND run_id IN (SELECT id FROM run WHERE state = 'cancelled')
""")

_FINISH = sql.statement("""
    UPDATE run SET state = 'finished', finished_at = :now
    WHERE state = 'running' AND NOT is_stream
      AND NOT EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND state = 'queued')
      AND NOT EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND state = 'deferred')
      AND NOT EXISTS (SELECT 1 FROM message WHERE run_id = run.id AND claimed_by IS NOT NULL)
    RETURNING id
""")
