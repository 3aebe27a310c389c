"""The link that asks for a reader's agreement to new terms: a page with one button, and the button."""

from flask import Blueprint, Response, request

from newsletter import db
from newsletter.audience import addresses, asking
from newsletter.web import security
from newsletter.web.public import forms, origins, pages

blueprint = Blueprint("agree", __name__, url_prefix="/agree")


@blueprint.get("/<token>")
@security.private
def show(token: str) -> Response:
    """What is asked; opening it changes nothing."""
    return _page(asking.look_at(token))


@blueprint.post("/<token>")
@security.private
def press(token: str) -> Response:
    """Agree to what the page showed; a page open too long shows what there is to agree to now."""
    stamp = forms.stamp(request.form.get("form", ""))
    if stamp is None:
        return _page(asking.look_at(token))
    asked = asking.agree(token, stamp.shown, origins.of_request("link"))
    db.session.commit()
    return _page(asked)


def _page(asked: asking.Asked) -> Response:
    return pages.answer(
        "agree.html",
        title=asked.document.title,
        version=asked.document.version,
        address=addresses.masked(asked.address),
        is_answered=asked.is_answered,
        agreement=forms.agreement(),
    )
