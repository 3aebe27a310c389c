"""The wiring: settings, database, doors, commands, composers and jobs put together into one Flask application."""

import click
from flask import Flask
from flask.cli import FlaskGroup

from newsletter import (
    db,
    errors,
    heap,
    models,  # noqa: F401 - all of them, whatever rooms a process needs: they name each other
    settings,
    telemetry,
)
from newsletter.audience import agreement_letters, asking, fresh_links, link_letters, signup
from newsletter.audience import letters as reader_letters
from newsletter.cli import commands
from newsletter.issues import runs, trial_letters, wire
from newsletter.jobs import registry
from newsletter.outbox import composers
from newsletter.staff import letters as editor_letters


def create_app(chosen: settings.Settings | None = None) -> Flask:
    """The application for `chosen` settings, by default those of the environment.

    Raises ConfigurationError; at a command line click's own, which is a sentence. Where `flask` only looks for a
    command of ours in it, the doors that speak HTTP stay shut.
    """
    try:
        app = create_rooms(chosen)
    except errors.ConfigurationError as error:
        if not _is_asked_by_flask():
            raise
        raise click.ClickException(error.message) from None
    if not _only_runs_a_command():
        _open_doors(app)
    return app


def create_rooms(chosen: settings.Settings | None = None) -> Flask:
    """The application without its doors, for a process that serves no pages."""
    settings.use(chosen or settings.load())
    telemetry.configure()
    heap.share()
    app = Flask("newsletter", root_path=str(settings.ROOT), template_folder="templates", static_folder="static")
    db.init_app(app)
    _register_composers()
    registry.register_later(_register_jobs)
    app.cli.add_command(commands.newsletter)
    return app


def _register_composers() -> None:
    composers.register(runs.KIND, wire.compose)
    composers.register(trial_letters.KIND, composers.one_by_one(trial_letters.compose))
    composers.register(asking.MAIL, composers.one_by_one(agreement_letters.compose))
    composers.register(fresh_links.MAIL, composers.one_by_one(link_letters.compose))
    composers.register(signup.MAIL, composers.one_by_one(reader_letters.compose))
    composers.register(editor_letters.KIND, composers.one_by_one(editor_letters.compose))


def _register_jobs() -> None:
    # Not at the top: the delivery worker does no jobs, and what they do needs nearly every room.
    from newsletter.scheduler import work  # noqa: PLC0415

    work.register()


def _only_runs_a_command() -> bool:
    """Whether `flask` asks for the application to find a command in it.

    Its own commands that want all of it, like `flask run` and `flask routes`, ask in their own name, and a web server
    asks outside of any command.
    """
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)


def _is_asked_by_flask() -> bool:
    """Whether a person at a command line waits for the answer, for whom a sentence is better than a traceback."""
    return click.get_current_context(silent=True) is not None


def _open_doors(app: Flask) -> None:
    # Not at the top: the pages are an eighth of the memory of a process that serves none.
    from newsletter.web import doors  # noqa: PLC0415

    doors.open_all(app)
