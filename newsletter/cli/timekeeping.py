"""Commands that do what is due: tick, scheduler, jobs."""

from flask import Flask, current_app
from flask.cli import AppGroup

from newsletter import db, errors, jobs
from newsletter.cli import stopping
from newsletter.cli.answers import Answer, add
from newsletter.jobs.engines import procrastinate_worker
from newsletter.scheduler import main as scheduler_main
from newsletter.scheduler import tick as scheduler_tick


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    add(group, "tick", tick)
    add(group, "scheduler", scheduler)
    add(group, "jobs", do_jobs)


def tick() -> Answer:
    """Do once what the scheduler does: fetch due feeds, compose and release what is due, sweep."""
    db.session.rollback()
    report = scheduler_tick.run()
    return Answer(report.data(), report.lines())


def scheduler() -> Answer:
    """Tick by APScheduler until stopped."""
    db.session.rollback()
    scheduler_main.run(stopping.signalled())
    return Answer({"stopped": True}, ["The scheduler stopped."])


def do_jobs() -> Answer:
    """Do background jobs until stopped; only with the engine procrastinate."""
    if not jobs.is_distributed():
        raise errors.ConfigurationError("With NEWSLETTER_ENGINE=embedded the scheduler does the jobs.")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    db.session.remove()
    procrastinate_worker.run(app, stopping.signalled())
    return Answer({"stopped": True}, ["The jobs stopped."])
