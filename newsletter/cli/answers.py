"""How a command answers: lines for people or one JSON object, and one sentence with a failure's exit code."""

import contextlib
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

import click
from flask.cli import AppGroup
from sqlalchemy.exc import OperationalError, ProgrammingError

from newsletter import db, errors, revisions

ACTOR = "command line"  # who did it, in the audit log

# What click.option and click.argument give.
Parameter = Callable[[Callable[..., Any]], object]


@dataclass(frozen=True)
class Answer:
    """What a command found or did: an object for --json, lines for people, and whether all was well."""

    data: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    is_well: bool = True


def add(
    group: AppGroup,
    name: str,
    function: Callable[..., Answer],
    *parameters: Parameter,
    bare: bool = False,
    reads: bool = False,
) -> None:
    """Make `function` the command `name` of `group`, with its click parameters and --json; commits when it returns.

    A bare command does without a database that is ready; one that only reads waits for nobody who writes.
    """

    @functools.wraps(function)
    def run(*, as_json: bool, **options: Any) -> None:
        with db.reading() if reads else contextlib.nullcontext():
            answer = _try(function, options, needs_schema=not bare)
        click.echo(json.dumps(answer.data, default=_plain, ensure_ascii=False) if as_json else "\n".join(answer.lines))
        if not answer.is_well:
            sys.exit(1)

    decorated: Callable[..., Any] = run
    as_json = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
    # click lists the parameter applied last first.
    for parameter in reversed((*parameters, as_json)):
        decorated = cast("Callable[..., Any]", parameter(decorated))
    group.command(name)(decorated)


def counted(number: int, noun: str) -> str:
    """A number and its noun: 1 reader, 2,000 readers."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _try(function: Callable[..., Answer], options: dict[str, Any], *, needs_schema: bool) -> Answer:
    try:
        if needs_schema:
            _check_schema()
        answer = function(**options)
        db.session.commit()
        return answer
    except errors.NewsletterError as error:
        db.session.rollback()
        raise click.ClickException(error.message) from None
    except OSError as error:
        if error.filename is None:
            raise
        # A file that the command was told to read or write.
        db.session.rollback()
        raise click.ClickException(f"{error.filename} cannot be used: {error.strerror}.") from None
    except (OperationalError, ProgrammingError) as error:
        db.session.rollback()
        reason = str(error.orig).strip().split("\n")[0]
        raise click.ClickException(f"The database did not take this, nothing was changed: {reason}.") from None


def _check_schema() -> None:
    # Only read: a command must not wait for whoever writes before it has anything to write itself.
    with db.reading():
        is_ready = revisions.is_current(db.session.connection())
        db.session.rollback()
    if not is_ready:
        raise errors.ConfigurationError("The database is not ready. Run: flask newsletter init")


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
