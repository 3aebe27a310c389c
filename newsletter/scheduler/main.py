"""The scheduler process: APScheduler ticks by the timetable until it is told to stop.

APScheduler knows intervals only. What is due is read from the database by our own calendar: its CronTrigger loses days
around daylight-saving changes, and two processes on one of its job stores both run the job.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask, current_app

from newsletter import clock, db, jobs
from newsletter.jobs.engines import embedded
from newsletter.scheduler import timetable
from newsletter.scheduler.tick import Report
from newsletter.scheduler.timetable import Entry

log = structlog.get_logger()


def run(stop: threading.Event) -> None:
    """Tick until `stop` is set; a tick that is under way is finished first. Any number of these may run at once."""
    # A tick still busy with much to do is no news every two seconds.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    scheduler = _scheduler(app)
    try:
        with contextlib.nullcontext() if jobs.is_distributed() else embedded.running(scheduler, app):
            scheduler.start()
            log.info("scheduler_started", timetable=[entry.name for entry in timetable.TIMETABLE])
            stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        log.info("scheduler_stopped")


def _scheduler(app: Flask) -> BackgroundScheduler:
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(len(timetable.TIMETABLE))})
    for entry in timetable.TIMETABLE:
        scheduler.add_job(
            _in_context(app, entry),
            "interval",
            id=entry.name,
            seconds=entry.interval().total_seconds(),
            next_run_time=clock.now(),
            # A late tick is one tick: none is dropped for being late, and two never overlap.
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )
    return scheduler


def _in_context(app: Flask, entry: Entry) -> Callable[[], None]:
    def tick() -> None:
        # The scheduler outlives every error: the next tick finds in the database what this one did not do.
        try:
            with app.app_context():
                entry.act(Report())
                db.session.rollback()
        except Exception:
            log.exception("tick_failed", entry=entry.name)

    return tick
