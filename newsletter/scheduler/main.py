"""The scheduler process: APScheduler ticks by the timetable until it is told to stop.

APScheduler knows intervals only. What is due is read from the database by our own calendar: its CronTrigger loses days
around daylight-saving changes, and two processes on one of its job stores both run the job.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask, current_app

from newsletter import clock, db
from newsletter.scheduler import jobs
from newsletter.scheduler.jobs import Job
from newsletter.scheduler.tick import Report

log = structlog.get_logger()


def run(stop: threading.Event) -> None:
    """Tick until `stop` is set; a tick that is under way is finished first. Any number of these may run at once."""
    # A tick still busy with a slow feed is no news every two seconds.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = _scheduler(current_app._get_current_object())  # type: ignore[attr-defined]
    scheduler.start()
    log.info("scheduler_started", jobs=[job.name for job in jobs.TIMETABLE])
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        log.info("scheduler_stopped")


def _scheduler(app: Flask) -> BackgroundScheduler:
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(len(jobs.TIMETABLE))})
    for job in jobs.TIMETABLE:
        scheduler.add_job(
            _in_context(app, job),
            "interval",
            id=job.name,
            seconds=job.interval().total_seconds(),
            next_run_time=clock.now(),
            # A late tick is one tick: none is dropped for being late, and two never overlap.
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )
    return scheduler


def _in_context(app: Flask, job: Job) -> Callable[[], None]:
    def tick() -> None:
        # The scheduler outlives every error: the next tick finds in the database what this one did not do.
        try:
            with app.app_context():
                job.act(Report())
                db.session.rollback()
        except Exception:
            log.exception("tick_failed", job=job.name)

    return tick
