"""The jobs there are: for each name its function, its queue and how often it is tried."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from newsletter import db, errors, settings

log = structlog.get_logger()


@dataclass(frozen=True)
class Queue:
    """Jobs that share places to run in, so that what is slow in another queue delays none of them."""

    name: str
    places: Callable[[], int]


ISSUES = Queue("issues", lambda: settings.current().issue_jobs)
FEEDS = Queue("feeds", lambda: settings.current().feed_connections)
CHECKS = Queue("checks", lambda: settings.current().check_jobs)
READERS = Queue("readers", lambda: settings.current().import_jobs)
QUEUES = (ISSUES, FEEDS, CHECKS, READERS)


@dataclass(frozen=True)
class Job:
    """A named function of ids that owns its transactions."""

    name: str
    act: Callable[..., object]
    queue: Queue

    def key(self, ids: Mapping[str, int]) -> str:
        """What tells this job from every other: one of a key waits or runs at a time."""
        return f"{self.name}({','.join(f'{name}={ids[name]}' for name in sorted(ids))})"


def register(name: str, act: Callable[..., object], queue: Queue) -> None:
    """Make `act` the job `name`; a second registration replaces the first."""
    _jobs[name] = Job(name, act, queue)


def register_later(register_all: Callable[[], None]) -> None:
    """Have `register_all` called when a job is first asked for: a process that never asks needs none of their rooms."""
    with _registering:
        _later[:] = [register_all]


def get(name: str) -> Job:
    """The job of a name; raises KeyError."""
    _register_now()
    return _jobs[name]


def all() -> list[Job]:  # noqa: A001 - read as registry.all()
    """Every job."""
    _register_now()
    return list(_jobs.values())


def perform(job: Job, ids: Mapping[str, int]) -> None:
    """Do a job in the present application context. A refusal in words is an answer; any other error is raised."""
    db.session.rollback()
    try:
        job.act(**ids)
    except errors.NewsletterError as error:
        log.warning("job_refused", job=job.name, reason=error.message, **ids)
    finally:
        db.session.rollback()


def wait_after(failures: int) -> timedelta | None:
    """How long a job that failed this many times waits before it is tried again; None when it is left to the tick."""
    present = settings.current()
    if failures >= present.job_tries:
        return None
    return min(present.job_retry_first * (1 << (failures - 1)), present.job_retry_most)


def _register_now() -> None:
    # Whoever asks meanwhile waits until all are there.
    with _registering:
        for register_all in _later:
            register_all()
        _later.clear()


_jobs: dict[str, Job] = {}
_later: list[Callable[[], None]] = []
_registering = threading.Lock()
