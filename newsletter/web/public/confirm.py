"""The confirmation link: a page with one button, the button, and a new link for one that is too old."""

from collections.abc import Sequence

from flask import Blueprint, Response, url_for

from newsletter import clock, db
from newsletter.audience import addresses, signup, wishes
from newsletter.audience.wishes import Wish
from newsletter.issues import dates
from newsletter.mail import words
from newsletter.publication.models import Newsletter
from newsletter.web import languages, security
from newsletter.web.public import origins, pages

blueprint = Blueprint("confirm", __name__, url_prefix="/confirm")


@blueprint.get("/<token>")
@security.private
def show(token: str) -> Response:
    """What would be confirmed; opening it changes nothing, whoever or whatever opens it."""
    try:
        pending = signup.look_at(token)
    except signup.LinkLapsed as error:
        return _lapsed(token, error)
    languages.speak(pending.language)
    template = "confirmed.html" if pending.is_confirmed else "confirm.html"
    return pages.answer(
        template,
        address=addresses.masked(pending.address),
        wished=wishes.by_newsletter(pending.wishes),
        coming=_coming(pending.wishes),
        already=pending.is_confirmed,
        is_more=pending.is_more,
        preferences=pending.preferences,
    )


@blueprint.post("/<token>")
@security.private
def press(token: str) -> Response:
    """Confirm."""
    try:
        confirmed = signup.confirm(token, origins.of_request("link"))
    except signup.LinkLapsed as error:
        return _lapsed(token, error)
    db.session.commit()
    languages.speak(confirmed.language)
    return pages.answer(
        "confirmed.html",
        wished=wishes.by_newsletter(confirmed.subscriptions),
        coming=_coming(confirmed.subscriptions),
        already=confirmed.already,
        is_more=confirmed.is_more,
        preferences=confirmed.preferences,
    )


@blueprint.post("/<token>/again")
@security.private
def send_again(token: str) -> Response:
    """Mail a new link for one that was too old."""
    signup.send_again(token, origins.of_request("link"))
    db.session.commit()
    return pages.answer("link_sent.html")


def _lapsed(token: str, error: signup.LinkLapsed) -> Response:
    # 410 Gone: the link was ours, and works no more.
    return pages.answer(
        "confirm_lapsed.html",
        status=410,
        sentence=languages.say(error.message),
        again=url_for("confirm.send_again", token=token),
    )


def _coming(wished: Sequence[Wish]) -> dict[int, str]:
    """When the next issue of each newsletter comes, in words with its zone, by the newsletter's id."""
    found = {newsletter.id: _next(newsletter) for newsletter, _ in wishes.by_newsletter(wished)}
    return {newsletter_id: said for newsletter_id, said in found.items() if said}


def _next(newsletter: Newsletter) -> str:
    at = dates.next_appearance(newsletter, clock.now())
    return words.long_moment(at, newsletter.zone, languages.spoken()) if at else ""
