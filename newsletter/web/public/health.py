"""Whether this process lives, and whether it can serve."""

from flask import Blueprint, Response
from sqlalchemy.exc import OperationalError

from newsletter import db, revisions

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def live() -> Response:
    """This process answers."""
    return _plain("ok", 200)


@blueprint.get("/readyz")
def ready() -> Response:
    """The database answers and has the newest schema."""
    try:
        current = revisions.is_current(db.session.connection())
    except OperationalError:
        return _plain("the database does not answer", 503)
    return _plain("ready", 200) if current else _plain("the database needs `flask newsletter init`", 503)


def _plain(text: str, status: int) -> Response:
    response = Response(text + "\n", status=status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
