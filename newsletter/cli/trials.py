"""The command that sends an issue to people who work here."""

import click
from flask.cli import AppGroup

from newsletter import db
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.issues import agenda, previews, trials


def register(issue: AppGroup) -> None:
    """Add the command to the group of issues."""
    to = click.option("--to", required=True, multiple=True, help="An editor's address; again for more.")
    edition = click.option("--edition", type=click.Choice(previews.EDITIONS), help="Else a reader of everything.")
    add(issue, "test", send, click.argument("issue_id", type=int, metavar="ISSUE"), to, edition)


def send(*, issue_id: int, to: tuple[str, ...], edition: str | None) -> Answer:
    """Send an issue as a test to people who work here, marked, with links that change nothing."""
    with db.reading():
        db.session.rollback()
        issue = agenda.get(issue_id)
        pressed = trials.press(issue, profile=previews.of_edition(issue, edition or "").profile)
        db.session.rollback()
    sent = trials.send(agenda.get(issue_id), pressed, to, actor=ACTOR)
    told = [test.address for test in sent]
    return Answer({"issue": issue_id, "to": told, "subject": pressed.subject}, [f"The test goes to {', '.join(told)}."])
