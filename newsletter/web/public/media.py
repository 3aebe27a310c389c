"""Pictures of ours, each under the digest of its bytes, for mails and pages."""

import re

from flask import Blueprint, Response, request
from sqlalchemy import select

from newsletter import db, errors
from newsletter.articles import pictures
from newsletter.articles.models import Rendition

blueprint = Blueprint("media", __name__)


@blueprint.get("/media/<digest>")
def show(digest: str) -> Response:
    """A picture that never changes."""
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise errors.NotFound
    statement = select(Rendition.content).filter_by(hash=digest).limit(1)
    content = db.session.scalar(statement)
    if content is None:
        raise errors.NotFound("There is no such picture.")
    response = Response(content, mimetype=pictures.kind_of(content))
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    # Mails are read on other origins.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.set_etag(digest)
    response.make_conditional(request)
    return response
