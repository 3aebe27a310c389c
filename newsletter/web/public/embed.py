"""The sign-up box alone, to be framed by the magazine's own pages."""

from flask import Blueprint, Response, request

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


def _let_in() -> None:
    security.allow("frame-ancestors", " ".join(settings.current().embed_sites) or "*")
