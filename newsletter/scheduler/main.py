"""The scheduler's process: APScheduler ticks by the timetable until it is told to stop."""

import threading
from collections.abc import Callable
from datetime import UTC

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask, current_app

from newsletter import clock, db, settings
from newsletter.scheduler import jobs
from newsletter.scheduler.tick import Report

log = structlog.get_logger()


def run(stop: threading.Event) -> None:
    """Tick until `stop` is set; the pass in flight is finished. Call inside an application context."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # threads need the application itself
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(len(jobs.TIMETABLE))},
        # A late tick is still wanted, several late ones are one, and none runs beside itself: with the default
        # misfire_grace_time of 1 s APScheduler silently drops a tick that is 2 s late.
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
    )
    for job in jobs.TIMETABLE:
        trigger = IntervalTrigger(seconds=job.interval(settings.current()).total_seconds(), timezone=UTC)
        scheduler.add_job(_guarded(app, job), trigger, id=job.name, next_run_time=clock.now())
    scheduler.start()
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)


def _guarded(app: Flask, job: jobs.Job) -> Callable[[], None]:
    def act() -> None:
        with app.app_context():
            try:
                job.act(Report())
            except Exception:
                # Whatever it was, the next tick tries again: a scheduler that stops sends nothing.
                db.session.rollback()
                log.exception("tick_failed", job=job.name)

    return act
