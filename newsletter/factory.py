"""The wiring: settings, database, doors, commands, composers and jobs put together into one Flask application."""

from flask import Flask

from newsletter import db, heap, settings, telemetry
from newsletter.audience import agreement_letters, asking, fresh_links, link_letters, signup
from newsletter.audience import letters as reader_letters
from newsletter.cli import commands
from newsletter.issues import runs, trials, wire
from newsletter.outbox import composers
from newsletter.scheduler import work
from newsletter.staff import letters as editor_letters
from newsletter.staff import notices
from newsletter.web import errors, languages, security, transactions
from newsletter.web.admin import doors as admin
from newsletter.web.development import doors as development
from newsletter.web.public import doors as public


def create_app(chosen: settings.Settings | None = None) -> Flask:
    """The application for `chosen` settings, by default those of the environment; raises ConfigurationError."""
    settings.use(chosen or settings.load())
    telemetry.configure()
    heap.share()
    app = Flask("newsletter", root_path=str(settings.ROOT), template_folder="templates", static_folder="static")
    db.init_app(app)
    _register_composers()
    work.register()
    _open_doors(app)
    app.cli.add_command(commands.newsletter)
    return app


def _register_composers() -> None:
    composers.register(runs.KIND, wire.compose)
    composers.register(trials.KIND, composers.one_by_one(trials.compose))
    composers.register(asking.MAIL, composers.one_by_one(agreement_letters.compose))
    composers.register(fresh_links.MAIL, composers.one_by_one(link_letters.compose))
    composers.register(signup.MAIL, composers.one_by_one(reader_letters.compose))
    composers.register(notices.KIND, composers.one_by_one(editor_letters.compose))


def _open_doors(app: Flask) -> None:
    for guard in (transactions, security, languages, errors):
        guard.init_app(app)
    doors = [*public.BLUEPRINTS, *admin.BLUEPRINTS]
    if settings.current().is_development:
        doors += development.BLUEPRINTS
    for door in doors:
        app.register_blueprint(door)
