"""The way out: a page with one button, the button, and the one click of mail programs (RFC 8058)."""

from flask import Blueprint, Response, request, url_for

from newsletter import db
from newsletter.audience import addresses, reader_links, unsubscribe
from newsletter.audience.models import Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.publication.models import Newsletter
from newsletter.web import security
from newsletter.web.public import origins, pages

blueprint = Blueprint("unsubscribe", __name__, url_prefix="/unsubscribe")


@blueprint.get("/<token>")
@security.private
def show(token: str) -> Response:
    """What the button would end; opening it changes nothing."""
    link = reader_links.read(token)
    reader, newsletter = db.session.get(Subscriber, link.subscriber_id), db.session.get(Newsletter, link.newsletter_id)
    return pages.answer(
        "unsubscribe.html",
        address=addresses.masked(reader.address) if reader else "",
        newsletter=newsletter.title if newsletter else "",
        token=token,
    )


@blueprint.post("/<token>")
@security.private
def press(token: str) -> Response:
    """Leave at once: by a mail program's one click, or by the page's buttons."""
    link = reader_links.read(token)
    if request.form.get("List-Unsubscribe") == "One-Click":
        return _one_click(link)
    everything = request.form.get("everything") == "yes"
    left = unsubscribe.leave(link, origins.of_request("link"), everything=everything)
    db.session.commit()
    preferences = url_for("preferences.show", token=token)
    return pages.answer("left.html", left=left, everything=everything, token=token, preferences=preferences)


def _one_click(link: ReaderLink) -> Response:
    # RFC 8058 3.1: no redirect, no cookie, nothing further asked.
    unsubscribe.leave(link, origins.of_request("one-click"))
    db.session.commit()
    return Response("You have been unsubscribed.\n", mimetype="text/plain")
