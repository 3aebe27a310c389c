"""Runs procrastinate's jobs, and outlives what its worker does not: a database that restarts, a socket half open.

The library's worker returns, as if all were well, when its connections break (procrastinate 3.10), and may wait on one
that never answers. So it is opened anew until we are told to stop, and a process that hangs all the same ends itself:
whoever started it starts another, and the jobs it had are found again in the rows.
"""

import asyncio
import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import procrastinate
import psycopg
import structlog
from flask import Flask
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job as StoredJob
from sqlalchemy.engine import make_url

from newsletter import clock, settings
from newsletter.jobs import registry
from newsletter.jobs.registry import Job

log = structlog.get_logger()

_LOOK = 0.2  # seconds between two looks at `stop`
_ASK = 5.0  # seconds between two questions to the database, and the longest wait for the answer
_REST = 1.0  # seconds before the database is tried again

# A half-open socket, left by a failover or a firewall, is noticed instead of waited on for ever.
_ALIVE: dict[str, Any] = {
    "connect_timeout": 10,  # seconds, as the next two
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}


def run(app: Flask, stop: threading.Event, *, give_up: Callable[[], None] = lambda: os._exit(1)) -> None:
    """Do jobs until `stop` is set, then finish those that run; `give_up` is called when this process hangs."""
    for theirs in ("procrastinate", "psycopg.pool"):
        logging.getLogger(theirs).setLevel(logging.CRITICAL)  # what fails is logged by us, in our way
    watchdog = _Watchdog(stop, give_up)
    try:
        while not stop.is_set():
            watchdog.beat()
            try:
                asyncio.run(_live(app, stop, watchdog))
            except Exception as error:
                log.error("jobs_interrupted", reason=str(error) or type(error).__name__)
            stop.wait(_REST)
    finally:
        watchdog.end()


async def _live(app: Flask, stop: threading.Event, watchdog: "_Watchdog") -> None:
    """One life: from an opened connection until it breaks, or we are told to stop."""
    threads = ThreadPoolExecutor(_places(), thread_name_prefix="job")
    asyncio.get_running_loop().set_default_executor(threads)
    library = procrastinate.App(connector=await _connect())
    for job in registry.all():
        library.task(name=job.name, queue=job.queue.name, retry=_Backoff())(functools.partial(_perform, app, job))
    async with library.open_async():
        log.info("jobs_worker_started")
        parts = [
            *(asyncio.create_task(_work(library, queue)) for queue in registry.QUEUES),
            asyncio.create_task(_guard(library, stop, watchdog)),
        ]
        # Whatever ends first, ends the life; jobs that run are finished.
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in parts:
            part.cancel()
        for ended in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
    log.info("jobs_worker_stopped" if stop.is_set() else "jobs_worker_lost_its_database")


async def _connect() -> procrastinate.PsycopgConnector:
    """A connector to the database of the settings, which answers."""
    url = make_url(settings.current().database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    # A pool would wait half a minute for a database that is not there, and say nothing.
    async with await psycopg.AsyncConnection.connect(url, **_ALIVE):
        return procrastinate.PsycopgConnector(conninfo=url, kwargs=_ALIVE, min_size=1, max_size=_places() + 2)


def _places() -> int:
    return sum(queue.places() for queue in registry.QUEUES)


class _Backoff(BaseRetryStrategy):
    """The waits of the registry, and then no more: the tick finds what is left to do."""

    def get_retry_decision(self, *, exception: BaseException, job: StoredJob) -> RetryDecision | None:
        wait = registry.wait_after(job.attempts + 1) if isinstance(exception, Exception) else None
        return None if wait is None else RetryDecision(retry_at=clock.now() + wait)


async def _work(library: procrastinate.App, queue: registry.Queue) -> None:
    present = settings.current()
    await library.run_worker_async(
        queues=[queue.name],
        name=queue.name,
        concurrency=queue.places(),
        delete_jobs="successful",
        install_signal_handlers=False,
        fetch_job_polling_interval=present.tick_interval.total_seconds(),
        update_heartbeat_interval=present.worker_heartbeat.total_seconds(),
        stalled_worker_timeout=present.job_silence.total_seconds(),
        shutdown_graceful_timeout=present.stop_time.total_seconds(),
    )


async def _guard(library: procrastinate.App, stop: threading.Event, watchdog: "_Watchdog") -> None:
    """Return when told to stop; raise when the database does not answer."""
    asked_at = float("-inf")
    while not stop.is_set():
        if time.monotonic() - asked_at > _ASK:
            asked_at = time.monotonic()
            await asyncio.wait_for(library.connector.execute_query_one_async("SELECT 1 AS one"), timeout=_ASK)
            watchdog.beat()
        await asyncio.sleep(_LOOK)


def _perform(app: Flask, job: Job, **ids: int) -> None:
    try:
        with app.app_context():
            registry.perform(job, ids)
    except Exception:
        log.exception("job_failed", job=job.name, **ids)
        raise


class _Watchdog:
    """A thread that gives the process up when nothing was heard for too long, or when stopping takes too long."""

    def __init__(self, stop: threading.Event, give_up: Callable[[], None]) -> None:
        present = settings.current()
        self._silence = present.job_silence.total_seconds()
        self._stop_time = present.stop_time.total_seconds() + 3.0
        self._stop, self._give_up = stop, give_up
        self._beat_at = time.monotonic()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Say that all goes on."""
        self._beat_at = time.monotonic()

    def end(self) -> None:
        """Stop watching."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        stopped_at = float("inf")
        while not self._is_over.wait(_LOOK):
            now = time.monotonic()
            if self._stop.is_set():
                stopped_at = min(stopped_at, now)
            hangs = now - stopped_at > self._stop_time or (
                not self._stop.is_set() and now - self._beat_at > self._silence
            )
            if hangs:
                log.error("jobs_worker_hangs")
                self._give_up()
                return
