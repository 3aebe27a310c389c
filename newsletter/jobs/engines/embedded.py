"""The engine of one machine: jobs run on APScheduler's executors in the scheduler process, beside its timetable.

Only what that process itself defers runs at once; what another process changed, the tick finds in the rows.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import BaseScheduler
from flask import Flask
from sqlalchemy import event

from newsletter import clock, db
from newsletter.jobs import registry
from newsletter.jobs.registry import Job

log = structlog.get_logger()

_DEFERRED = "jobs deferred in this transaction"


def defer(job: Job, ids: Mapping[str, int]) -> None:
    """Hand a job to this process's runner after the commit; without a runner the tick finds it."""
    if _runners:
        if not db.session().in_transaction():
            db.session.begin()  # so that a rollback, even of nothing else, is heard of
        db.session.info.setdefault(_DEFERRED, []).append((job, dict(ids)))


@contextlib.contextmanager
def running(scheduler: BaseScheduler, app: Flask) -> Iterator[None]:
    """Within this block, jobs deferred in this process run on executors added to the (not yet started) scheduler."""
    runner = _Runner(scheduler, app)
    _runners.append(runner)
    try:
        yield
    finally:
        _runners.remove(runner)
        runner.is_stopping = True


class _Runner:
    """Puts jobs onto the executors of their queues, one of a key at a time."""

    def __init__(self, scheduler: BaseScheduler, app: Flask) -> None:
        self.is_stopping = False
        self._scheduler = scheduler
        self._app = app
        self._in_hand: set[str] = set()
        self._lock = threading.Lock()
        for queue in registry.QUEUES:
            scheduler.add_executor(ThreadPoolExecutor(queue.places()), alias=queue.name)

    def take(self, job: Job, ids: Mapping[str, int]) -> None:
        """Run a job as soon as there is a place, unless it waits or runs already."""
        with self._lock:
            if job.key(ids) in self._in_hand:
                return
            self._in_hand.add(job.key(ids))
        self._put(job, ids, failures=0, wait=timedelta())

    def _put(self, job: Job, ids: Mapping[str, int], *, failures: int, wait: timedelta) -> None:
        self._scheduler.add_job(
            self._attempt,
            "date",
            run_date=clock.now() + wait,
            args=(job, ids, failures),
            executor=job.queue.name,
            misfire_grace_time=None,
        )

    def _attempt(self, job: Job, ids: Mapping[str, int], failures: int) -> None:
        wait: timedelta | None = None
        try:
            # A stopped scheduler finishes what runs; what still waits is in the rows.
            if not self.is_stopping:
                with self._app.app_context():
                    registry.perform(job, ids)
        except Exception:
            log.exception("job_failed", job=job.name, failures=failures + 1, **ids)
            wait = registry.wait_after(failures + 1)
        if wait is None:
            with self._lock:
                self._in_hand.discard(job.key(ids))
        elif not self.is_stopping:
            self._put(job, ids, failures=failures + 1, wait=wait)


_runners: list[_Runner] = []


@event.listens_for(db.session, "after_commit")
def _run_deferred(session: Any) -> None:
    for job, ids in session.info.pop(_DEFERRED, ()):
        for runner in _runners[-1:]:
            runner.take(job, ids)


@event.listens_for(db.session, "after_soft_rollback")
def _forget_deferred(session: Any, previous_transaction: Any) -> None:
    if previous_transaction.parent is None:
        session.info.pop(_DEFERRED, None)
