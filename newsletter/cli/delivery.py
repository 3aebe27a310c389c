"""Commands that work the outbox: deliver, worker."""

import click
from flask.cli import AppGroup

from newsletter import children, db, jobs
from newsletter.children import Child, Family
from newsletter.cli import progress, stopping
from newsletter.cli.answers import Answer, add
from newsletter.outbox import worker
from newsletter.outbox.models import MessageState

# A stopped worker ends by itself in less: stop_time, what cutting connections takes, and the last commit.
_STOP_TIME = 27.0


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
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


def deliver(*, until_empty: bool) -> Answer:
    """Work the outbox here; with --until-empty end when nothing is due."""
    db.session.rollback()
    # What runs as a service says nothing to its log every few seconds.
    with progress.shown_beside(always=until_empty):
        counts = worker.run(stopping.signalled(), until_empty=until_empty)
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
