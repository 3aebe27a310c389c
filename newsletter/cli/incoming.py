"""Commands a mail server pipes a message into: they read one from standard input."""

import sys

from flask.cli import AppGroup

from newsletter.audience import leaving_mail
from newsletter.cli.answers import Answer, add


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    add(group, "unsubscribe-mail", unsubscribe_mail)


def unsubscribe_mail() -> Answer:
    """Read one message from standard input and do what its subject asks: "unsubscribe TOKEN".

    For the alias of unsubscribe@ in a mail server, like: unsubscribe: "|/path/to/flask newsletter unsubscribe-mail".
    A message that asks for nothing of ours is taken and forgotten, so that nobody is sent a bounce; when the database
    does not answer, the exit code is not 0 and the server tries again.
    """
    left = leaving_mail.read(sys.stdin.buffer.read(1_000_000))
    if left is None:
        return Answer({"left": False}, ["The subject carries no unsubscribe token of ours. Nothing was done."])
    data = {"left": True, "already": left.already, "newsletter": left.newsletter}
    return Answer(data, ["Left before." if left.already else f"Left {left.newsletter}."])
