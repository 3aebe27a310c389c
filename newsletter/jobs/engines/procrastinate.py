"""The engine of many machines: jobs are rows of procrastinate's tables, written in the transaction that caused them."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import text

from newsletter import clock, db, settings
from newsletter.jobs.registry import Job

if TYPE_CHECKING:
    import procrastinate

# Any fixed number: the class of the advisory locks under which a job's key is looked for and written.
_DEFERRING = 731_190


def defer(job: Job, ids: Mapping[str, int]) -> None:
    """Write the job with the session's own transaction, unless it waits or runs already."""
    key = job.key(ids)
    connection = db.session.connection()
    # Under this lock nobody else writes the same key: a second row would keep the first from being tried again.
    connection.execute(_LOCK_KEY, {"class": _DEFERRING, "key": key})
    if connection.execute(_IN_HAND, {"key": key}).first() is None:
        _library().configure_task(
            job.name,
            queue=job.queue.name,
            lock=key,
            queueing_lock=key,
            connection=connection.connection.driver_connection,
        ).defer(**ids)


def sweep() -> int:
    """Delete the jobs dead workers were at, for the tick to defer anew, and failed ones that are too old to look at."""
    present = settings.current()
    lost = db.session.execute(_DELETE_LOST, {"silence": present.job_silence}).scalars().all()
    db.session.execute(_DELETE_OLD, {"before_at": clock.now() - present.job_history})
    return len(lost)


@functools.cache
def _library() -> "procrastinate.App":
    """The library's face, which writes on the connections it is given, and opens none."""
    # Not at the top: with its driver it is 12 MB of every process, and only this engine has a use for it.
    import procrastinate  # noqa: PLC0415

    return procrastinate.App(connector=procrastinate.PsycopgConnector())


_LOCK_KEY = text("SELECT pg_advisory_xact_lock(:class, hashtext(:key))")

_IN_HAND = text("""
    SELECT id FROM procrastinate_jobs
    WHERE (queueing_lock = :key AND status = 'todo') OR (lock = :key AND status = 'doing')
""")

_DELETE_LOST = text("""
    DELETE FROM procrastinate_jobs WHERE status = 'doing' AND NOT EXISTS (
        SELECT 1 FROM procrastinate_workers
        WHERE procrastinate_workers.id = procrastinate_jobs.worker_id AND last_heartbeat >= now() - :silence)
    RETURNING id
""")

_DELETE_OLD = text("""
    DELETE FROM procrastinate_jobs WHERE status IN ('failed', 'succeeded', 'cancelled', 'aborted') AND NOT EXISTS (
        SELECT 1 FROM procrastinate_events WHERE job_id = procrastinate_jobs.id AND at >= :before_at)
""")
