"""Commands a mail server pipes a message into: they read one from standard input."""

import os
import sys

import click
from flask.cli import AppGroup
from sqlalchemy.exc import DBAPIError

from newsletter import db
from newsletter.audience import leaving_mail
from newsletter.cli.answers import Answer, add

_LARGEST = 1_000_000  # bytes read of a message: its head is what counts


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    # Bare: also a database that is not ready is a reason to try again, not to send the mail back.
    add(group, "unsubscribe-mail", unsubscribe_mail, bare=True)


def unsubscribe_mail() -> Answer:
    """Read one message from standard input and do what its subject asks: "unsubscribe TOKEN".

    For the alias of unsubscribe@ in a mail server (see docs/consent.md). A message that asks for nothing of ours is
    taken and forgotten, so that nobody is sent a bounce; when the database does not answer, the exit code is 75, by
    which a mail server tries again later (sysexits.h, EX_TEMPFAIL).
    """
    try:
        left = leaving_mail.read(sys.stdin.buffer.read(_LARGEST))
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        click.echo(f"The database does not answer: {str(error.orig).strip().splitlines()[0]}.", err=True)
        sys.exit(os.EX_TEMPFAIL)
    if left is None:
        return Answer({"left": False}, ["The subject carries no unsubscribe token of ours. Nothing was done."])
    data = {"left": True, "already": left.already, "newsletter": left.newsletter}
    return Answer(data, ["Left before." if left.already else f"Left {left.newsletter}."])
