"""Answering with a page once a view's writing is done."""

from typing import Any

from flask import Response, make_response, render_template

from newsletter import db


def answer(template: str, status: int = 200, **values: Any) -> Response:
    """A page of templates/public/, rendered outside of any writing transaction: commit or lose what you wrote."""
    db.session.rollback()
    with db.reading():
        return make_response(render_template(f"public/{template}", **values), status)
