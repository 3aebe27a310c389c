"""Every door that speaks HTTP, opened together."""

from flask import Flask

from newsletter import settings
from newsletter.web import errors, languages, security, transactions
from newsletter.web.admin import doors as admin
from newsletter.web.development import doors as development
from newsletter.web.public import doors as public


def open_all(app: Flask) -> None:
    """Register the guards of every request, and the pages of all doors; those of development only there."""
    for guard in (transactions, security, languages, errors):
        guard.init_app(app)
    doors = [*public.BLUEPRINTS, *admin.BLUEPRINTS]
    if settings.current().is_development:
        doors += development.BLUEPRINTS
    for door in doors:
        app.register_blueprint(door)
