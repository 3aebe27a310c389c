"""The wiring: settings, database, doors, commands and composers put together into one Flask application."""

from flask import Flask

from newsletter import db, settings, telemetry
from newsletter.web import errors, security, transactions
from newsletter.web.admin import doors as admin
from newsletter.web.development import doors as development
from newsletter.web.public import doors as public


def create_app(chosen: settings.Settings | None = None) -> Flask:
    """The application for `chosen` settings, by default those of the environment; raises ConfigurationError."""
    settings.use(chosen or settings.load())
    telemetry.configure()
    app = Flask("newsletter", root_path=str(settings.ROOT), template_folder="templates", static_folder="static")
    db.init_app(app)
    _open_doors(app)
    return app


def _open_doors(app: Flask) -> None:
    for guard in (transactions, security, errors):
        guard.init_app(app)
    doors = [*public.BLUEPRINTS, *admin.BLUEPRINTS]
    if settings.current().is_development:
        doors += development.BLUEPRINTS
    for door in doors:
        app.register_blueprint(door)
