"""The sign-up box alone, to be framed by the magazine's own pages."""

from flask import Blueprint, Response, current_app, request

from newsletter import settings
from newsletter.web import security
from newsletter.web.public import forms, pages, signup

blueprint = Blueprint("embed", __name__)


@blueprint.get("/embed")
def show() -> Response:
    """The box; ?topic=music chooses a topic beforehand."""
    _let_in()
    page = (request.referrer or "/embed").partition("?")[0]
    return pages.answer("embed.html", box=forms.box(request.args.get("topic", ""), page=page, is_framed=True))


@blueprint.post("/embed/subscribe")
def press() -> Response:
    """Ask for a subscription, and answer inside the frame."""
    _let_in()
    return signup.answer_press("embed.html", "embed_subscribed.html", is_framed=True)


@blueprint.get("/embed.js")
def script() -> Response:
    """What the page around the box may load, so that the frame is as tall as the box."""
    response = current_app.send_static_file("embed.js")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    # Its address stands in pages we cannot change, so it is asked for again after a day.
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


def _let_in() -> None:
    security.allow("frame-ancestors", " ".join(("'self'", *_sites())))


def _sites() -> tuple[str, ...]:
    present = settings.current()
    if present.is_development and not present.embed_sites:
        return "http://localhost:*", "http://127.0.0.1:*"
    return present.embed_sites
