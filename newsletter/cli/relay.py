"""The command that tries the mail server."""

import click
from flask.cli import AppGroup

from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.staff import relay


def register(group: AppGroup) -> None:
    """Add the command to the group."""
    mail_server = AppGroup("relay", help="The mail server that everything leaves by.")
    group.add_command(mail_server)
    add(mail_server, "test", test, click.argument("address"))


def test(*, address: str) -> Answer:
    """Send one mail to an editor's ADDRESS through the configured mail server, and tell each step."""
    outcome = relay.try_out(address, actor=ACTOR)
    lines = [f"{'ok ' if step.is_well else 'NO '} {step.name}: {step.said}" for step in outcome.steps]
    data = {
        "accepted": outcome.is_well,
        "steps": [{"step": step.name, "well": step.is_well, "said": step.said} for step in outcome.steps],
        "advice": outcome.advice,
    }
    return Answer(data, [*lines, *([outcome.advice] if outcome.advice else [])], is_well=outcome.is_well)
