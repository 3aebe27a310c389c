"""Lives of delivery processes: who is alive by the database's clock, and what becomes of a dead one's messages.

Each function works on a Core connection inside the caller's transaction, as in ledger.py.
"""

import os
import socket
from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from newsletter import clock, settings
from newsletter.outbox import sql
from newsletter.outbox.models import Worker


class WorkerDead(Exception):
    """This worker was silent too long and its messages were given to others: it must go on under a new id."""


def start(connection: Connection) -> int:
    """A new worker id, never used before."""
    now = sql.database_time(connection)
    values = {"host": socket.gethostname(), "pid": os.getpid(), "started_at": now, "heartbeat_at": now}
    return connection.execute(insert(Worker).values(values).returning(Worker.id)).scalar_one()


def heartbeat(connection: Connection, worker_id: int) -> None:
    """Say that a worker lives; raises WorkerDead when it was given up."""
    beat = update(Worker).where(Worker.id == worker_id, Worker.ended_at.is_(None))
    if connection.execute(beat.values(heartbeat_at=sql.database_now(connection))).rowcount == 0:
        raise WorkerDead


def is_any_alive(connection: Connection) -> bool:
    """Whether a worker has been heard of lately."""
    since = sql.database_time(connection) - settings.current().worker_silence
    alive = select(Worker.id).where(Worker.ended_at.is_(None), Worker.heartbeat_at >= since)
    return connection.execute(alive.limit(1)).first() is not None


def end(connection: Connection, worker_id: int) -> None:
    """Say that a worker ended: what it had only claimed goes back, what it was sending follows the run's policy."""
    connection.execute(update(Worker).where(Worker.id == worker_id).values(ended_at=sql.database_now(connection)))
    _give_back(connection, [worker_id])


def recover_dead(connection: Connection, *, by: int = 0) -> list[int]:
    """End, for good, the workers silent too long, as `end` does; returns their ids. `by` is never its own judge."""
    now = sql.database_time(connection)
    silent = update(Worker).where(
        Worker.ended_at.is_(None),
        Worker.heartbeat_at < now - settings.current().worker_silence,
        Worker.id != by,
    )
    dead = list(connection.execute(silent.values(ended_at=now).returning(Worker.id)).scalars())
    _give_back(connection, dead)
    return dead


def _give_back(connection: Connection, worker_ids: Sequence[int]) -> None:
    if worker_ids:
        parameters = {"workers": list(worker_ids), "now": clock.now(), "doubts": settings.current().doubts_most}
        for statement in (_UNCLAIM, _RESEND, _LEAVE_UNCERTAIN):
            connection.execute(statement, parameters)


_UNCLAIM = sql.statement("""
    UPDATE message SET state = 'queued', claimed_by = NULL
    WHERE claimed_by IN :workers AND state = 'claimed'
""")

# Whether the dot was written nobody knows. Under retry it is written again, a bounded number of times ...
_RESEND = sql.statement("""
    UPDATE message SET state = 'queued', claimed_by = NULL, doubts = doubts + 1
    WHERE claimed_by IN :workers AND state = 'sending' AND doubts + 1 < :doubts
      AND EXISTS (SELECT 1 FROM run WHERE run.id = message.run_id AND run.policy = 'retry')
""")

# ... under hold, never.
_LEAVE_UNCERTAIN = sql.statement("""
    UPDATE message SET state = 'uncertain', claimed_by = NULL, doubts = doubts + 1, settled_at = :now,
           last_phase = 'dot', last_code = NULL, last_reply = 'the worker ended while the message was leaving'
    WHERE claimed_by IN :workers AND state = 'sending'
""")
