"""The confirmation link: a page with one button, and the button."""

from flask import Blueprint, Response

from newsletter import db
from newsletter.audience import addresses, signup, wishes
from newsletter.web import security
from newsletter.web.public import origins, pages

blueprint = Blueprint("confirm", __name__, url_prefix="/confirm")


@blueprint.get("/<token>")
@security.private
def show(token: str) -> Response:
    """What would be confirmed; opening it changes nothing, whoever or whatever opens it."""
    pending = signup.look_at(token)
    template = "confirmed.html" if pending.is_confirmed else "confirm.html"
    return pages.answer(
        template,
        address=addresses.masked(pending.address),
        wished=wishes.by_newsletter(pending.wishes),
        already=pending.is_confirmed,
        preferences=pending.preferences,
    )


@blueprint.post("/<token>")
@security.private
def press(token: str) -> Response:
    """Confirm."""
    confirmed = signup.confirm(token, origins.of_request("link"))
    db.session.commit()
    return pages.answer(
        "confirmed.html",
        wished=wishes.by_newsletter(confirmed.subscriptions),
        already=confirmed.already,
        preferences=confirmed.preferences,
    )
