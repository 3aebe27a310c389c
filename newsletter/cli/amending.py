"""Commands that let an issue go on after an article of its was withdrawn or corrected."""

import time

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.issues import agenda, amending, lifecycle
from newsletter.issues.editing import Hand

_HAND = Hand(ACTOR)
_PATIENCE = 30.0  # seconds a command waits for messages that are on the wire


def register(issue: AppGroup) -> None:
    """Add the commands to the group of issues."""
    number = click.argument("issue_id", type=int)
    add(issue, "go-on", go_on, number)
    add(issue, "correct", carry_on, number, click.option("--stay-paused", is_flag=True, help="Do not go on by itself."))


def go_on(*, issue_id: int) -> Answer:
    """Open a held issue again without what was withdrawn, with lead and subject chosen anew; approve it then."""
    issue = amending.go_on(agenda.get(issue_id), _HAND)
    return Answer({"issue": issue.id, "state": issue.state}, [f"Issue {issue.id} is a draft, without it. Approve it."])


def carry_on(*, issue_id: int, stay_paused: bool) -> Answer:
    """Approve a paused issue's correction, change the mails that wait, and let it go on."""
    issue = agenda.get(issue_id)
    found = amending.proposal(issue)
    if found is None:
        raise errors.Conflict("No mail of this issue waits for a correction.")
    is_complete = found.is_under_way or amending.approve(issue, found.hash, _HAND, resumes=not stay_paused)
    db.session.commit()
    is_done, until = False, time.monotonic() + _PATIENCE
    while is_complete and not is_done and time.monotonic() < until:
        is_done = amending.carry_out(issue_id)
        time.sleep(0 if is_done else 0.2)
    state = lifecycle.shown_state(agenda.get(issue_id))
    data = {"issue": issue_id, "hash": found.hash, "approved": is_complete, "corrected": is_done, "state": state}
    if not is_complete:
        return Answer(data, ["Approved. The correction needs somebody else as well."])
    told = (
        f"Issue {issue_id} is corrected, and {state}."
        if is_done
        else "Some mails are on the wire; it is finished soon."
    )
    return Answer(data, [told])
