"""Commands that work: tick, scheduler, deliver, worker, jobs."""

import signal
import threading
from types import FrameType

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from newsletter import children, db, errors, jobs
from newsletter.children import Child, Family
from newsletter.cli import progress
from newsletter.cli.answers import Answer, add
from newsletter.jobs.engines import procrastinate_worker
from newsletter.outbox import worker
from newsletter.outbox.models import MessageState
from newsletter.scheduler import main as scheduler_main
from newsletter.scheduler import tick as scheduler_tick

# A stopped worker ends by itself in less: stop_time, what cutting connections takes, and the last commit.
_STOP_TIME = 27.0


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    add(group, "tick", tick)
    add(group, "scheduler", scheduler)
    until_empty = click.option("--until-empty", is_flag=True, help="End when nothing is due and nobody holds a claim.")
    add(group, "deliver", deliver, until_empty)
    processes = click.option(
        "--processes",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Delivery processes on this machine.",
    )
    add(group, "worker", work, processes)
    add(group, "jobs", do_jobs)


def tick() -> Answer:
    """Do once what the scheduler does: fetch due feeds, compose and release what is due, sweep."""
    db.session.rollback()
    report = scheduler_tick.run()
    return Answer(report.data(), report.lines())


def scheduler() -> Answer:
    """Tick by APScheduler until stopped."""
    db.session.rollback()
    scheduler_main.run(_stop_signal())
    return Answer({"stopped": True}, ["The scheduler stopped."])


def deliver(*, until_empty: bool) -> Answer:
    """Work the outbox here; with --until-empty end when nothing is due."""
    db.session.rollback()
    # What runs as a service says nothing to its log every few seconds.
    with progress.shown_beside(always=until_empty):
        counts = worker.run(_stop_signal(), until_empty=until_empty)
    by_state = {state.value: counts.get(state.value, 0) for state in MessageState}
    return Answer(by_state, [f"{state:<10} {count:>8,}" for state, count in by_state.items() if count] or ["Nothing."])


def work(*, processes: int) -> Answer:
    """Work the outbox until stopped, with the engine procrastinate its jobs too; each in a process of its own."""
    if processes == 1 and not jobs.is_distributed():
        return deliver(until_empty=False)
    db.session.remove()
    db.extension.engine.dispose()
    family = [
        Child(f"delivery process {number}", children.command("deliver"), is_quiet=True)
        for number in range(1, processes + 1)
    ]
    if jobs.is_distributed():
        # Apart from delivery: composing and reading feeds would take turns with it on one core.
        family.append(Child("jobs process", children.command("jobs"), is_quiet=True))
    Family(family, stop_time=_STOP_TIME).run()
    return Answer({"processes": processes, "stopped": True}, ["The workers stopped."])


def do_jobs() -> Answer:
    """Do background jobs until stopped; only with the engine procrastinate."""
    if not jobs.is_distributed():
        raise errors.ConfigurationError("With NEWSLETTER_ENGINE=embedded the scheduler does the jobs.")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    db.session.remove()
    procrastinate_worker.run(app, _stop_signal())
    return Answer({"stopped": True}, ["The jobs stopped."])


def _stop_signal() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set: finish what is in flight, then end."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
