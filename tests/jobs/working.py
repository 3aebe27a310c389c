"""Somebody who does the jobs of an engine, as its process would, and jobs that tell what was done."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from newsletter import settings
from newsletter.jobs import registry
from newsletter.jobs.engines import embedded, procrastinate_worker

PATIENCE = 120.0  # seconds; a busy machine is slow, not wrong


def quick(configured: settings.Settings, engine: str) -> settings.Settings:
    """The settings with an engine whose waits a test can sit through."""
    soon = timedelta(milliseconds=50)
    return dataclasses.replace(
        configured, engine=engine, job_retry_first=soon, tick_interval=timedelta(milliseconds=500), job_tries=3
    )


@contextlib.contextmanager
def somebody(app: Flask) -> Iterator[None]:
    """Within this block the jobs of the settings' engine are done."""
    with _scheduler(app) if settings.current().engine == "embedded" else _worker(app):
        yield


@contextlib.contextmanager
def _scheduler(app: Flask) -> Iterator[None]:
    scheduler = BackgroundScheduler(timezone=UTC)
    try:
        with embedded.running(scheduler, app):
            scheduler.start()
            yield
    finally:
        scheduler.shutdown(wait=True)


@contextlib.contextmanager
def _worker(app: Flask) -> Iterator[None]:
    stop, hung = threading.Event(), threading.Event()
    thread = threading.Thread(target=procrastinate_worker.run, args=(app, stop), kwargs={"give_up": hung.set})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert not hung.is_set()


class Work:
    """A job that counts how often, and when, it was done for which number; `act` may be replaced to fail or wait."""

    def __init__(self, name: str, queue: registry.Queue) -> None:
        self.name = name
        self.done: list[tuple[int, float]] = []
        self.act: Callable[[int], None] = lambda number: None
        registry.register(name, self._do, queue)

    def _do(self, number: int) -> None:
        self.done.append((number, time.monotonic()))
        self.act(number)

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.done]

    def wait_for(self, *numbers: int) -> None:
        """Wait until exactly these were done, in any order, and a little for what must not come after them."""
        until(lambda: len(self.done) >= len(numbers), what=f"{self.name} for {numbers}")
        time.sleep(0.3)
        assert sorted(self.numbers) == sorted(numbers)


def until(happened: Callable[[], object], *, what: str) -> None:
    """Wait until it is true; fails naming what was waited for."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)
