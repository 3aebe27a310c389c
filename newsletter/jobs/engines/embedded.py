"""The engine of one machine: jobs run on threads of the scheduler process, beside APScheduler's timetable.

Only what that process itself defers runs at once; what another process changed, the tick finds in the rows.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask
from sqlalchemy import event

from newsletter import clock, db, settings
from newsletter.jobs import registry
from newsletter.jobs.registry import Job

if TYPE_CHECKING:
    # The process that has a scheduler gives it to us; all others do without its library.
    from apscheduler.schedulers.base import BaseScheduler

log = structlog.get_logger()

_DEFERRED = "jobs deferred in this transaction"


def defer(job: Job, ids: Mapping[str, int]) -> None:
    """Hand a job to this process's runner after the commit; without a runner the tick finds it."""
    if _runners:
        if not db.session().in_transaction():
            db.session.begin()  # so that a rollback, even of nothing else, is heard of
        db.session.info.setdefault(_DEFERRED, []).append((job, dict(ids)))


@contextlib.contextmanager
def running(scheduler: "BaseScheduler", app: Flask) -> Iterator[None]:
    """Within this block, jobs deferred in this process are done; what runs at its end is finished first.

    What failed is tried again by an entry of the scheduler's timetable.
    """
    runner = _Runner(app)
    seconds = settings.current().job_retry_first.total_seconds()
    scheduler.add_job(runner.retry_due, "interval", seconds=seconds, coalesce=True, misfire_grace_time=None)
    _runners.append(runner)
    try:
        yield
    finally:
        _runners.remove(runner)
        runner.end()


@dataclass(frozen=True)
class _Try:
    """A job in hand: how often it failed, and when it is to be tried again."""

    job: Job
    ids: Mapping[str, int]
    failures: int = 0
    due_at: datetime | None = None

    @property
    def key(self) -> str:
        return self.job.key(self.ids)


class _Runner:
    """Does jobs on the threads of their queues, one of a key at a time."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        # One of a key waits for a thread, runs, or waits to be tried again.
        self._in_hand: dict[str, _Try] = {}
        self._lock = threading.Lock()
        self._is_stopping = False
        self._threads = {
            queue.name: ThreadPoolExecutor(queue.places(), thread_name_prefix=queue.name) for queue in registry.QUEUES
        }

    def take(self, job: Job, ids: Mapping[str, int]) -> None:
        """Do a job as soon as there is a thread, unless it is in hand already."""
        with self._lock:
            if not self._is_stopping and job.key(ids) not in self._in_hand:
                self._begin(_Try(job, ids))

    def retry_due(self) -> None:
        """Try again what failed and has waited long enough."""
        now = clock.now()
        with self._lock:
            for each in list(self._in_hand.values()):
                if not self._is_stopping and each.due_at is not None and each.due_at <= now:
                    self._begin(replace(each, due_at=None))

    def end(self) -> None:
        """Finish what runs; what waits stays in the rows."""
        with self._lock:
            self._is_stopping = True
        for threads in self._threads.values():
            threads.shutdown(wait=True, cancel_futures=True)

    def _begin(self, each: _Try) -> None:
        self._in_hand[each.key] = each
        self._threads[each.job.queue.name].submit(self._attempt, each)

    def _attempt(self, each: _Try) -> None:
        wait = None
        try:
            with self._app.app_context():
                registry.perform(each.job, each.ids)
        except Exception:
            failures = each.failures + 1
            log.exception("job_failed", job=each.job.name, failures=failures, **each.ids)
            wait = registry.wait_after(failures)
        with self._lock:
            if wait is None:
                del self._in_hand[each.key]
            else:
                self._in_hand[each.key] = replace(each, failures=each.failures + 1, due_at=clock.now() + wait)


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
