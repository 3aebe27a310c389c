"""Commands that work: tick, scheduler, deliver, worker."""

import signal
import threading
from types import FrameType

import click
from flask.cli import AppGroup

from newsletter import db
from newsletter.cli import progress
from newsletter.cli.answers import Answer, add
from newsletter.outbox import worker
from newsletter.outbox.models import MessageState
from newsletter.scheduler import main as scheduler_main
from newsletter.scheduler import tick as scheduler_tick


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    add(group, "tick", tick)
    add(group, "scheduler", scheduler)
    until_empty = click.option("--until-empty", is_flag=True, help="End when nothing is due and nobody holds a claim.")
    add(group, "deliver", deliver, until_empty)
    add(group, "worker", work)


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


def work() -> Answer:
    """Work the outbox until stopped."""
    return deliver(until_empty=False)


def _stop_signal() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set: finish what is in flight, then end."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
