"""One transaction a request: GET and HEAD cannot write, whatever a view does."""

from contextlib import ExitStack

from flask import Flask, g, request

from newsletter import db


def init_app(app: Flask) -> None:
    """Make safe methods read-only at the database."""
    app.before_request(_begin)
    app.teardown_request(_end)


def _begin() -> None:
    g.transaction = ExitStack()
    if request.method in ("GET", "HEAD", "OPTIONS"):
        g.transaction.enter_context(db.reading())


def _end(_error: BaseException | None) -> None:
    db.session.rollback()
    if stack := g.pop("transaction", None):
        stack.close()
