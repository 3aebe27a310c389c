"""The way out: a page with one button, the button and what can be had instead, and mail programs' one click."""

from datetime import timedelta

from flask import Blueprint, Response, request, url_for

from newsletter import db, errors
from newsletter.audience import addresses, reader_links, returning, subscriptions, unsubscribe, wishes
from newsletter.audience.models import Subscriber, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import calendar
from newsletter.mail import words
from newsletter.publication.models import Newsletter
from newsletter.web import languages, security
from newsletter.web.public import forms, origins, pages

blueprint = Blueprint("unsubscribe", __name__, url_prefix="/unsubscribe")

_PAUSES = {"7": timedelta(days=7), "30": timedelta(days=30), "90": timedelta(days=90)}


@blueprint.get("/<token>")
@security.private
def show(token: str) -> Response:
    """What the button would end, or what was left lately; opening it changes nothing."""
    link = reader_links.read(token)
    languages.speak_to(link.subscriber_id)
    reader, newsletter = db.session.get(Subscriber, link.subscriber_id), db.session.get(Newsletter, link.newsletter_id)
    held = subscriptions.held(reader, SubscriptionState.CONFIRMED, SubscriptionState.PENDING) if reader else set()
    if reader and newsletter and not any(key[0] == newsletter.id for key in held) and returning.left_lately(link):
        return _left(token, link)
    return pages.answer(
        "unsubscribe.html",
        address=addresses.masked(reader.address) if reader else "",
        newsletter=newsletter.title if newsletter else "",
        token=token,
    )


@blueprint.post("/<token>")
@security.private
def press(token: str) -> Response:
    """Leave at once, by a mail program's one click or by the page's buttons; or take one of the page's offers."""
    link = reader_links.read(token)
    languages.speak_to(link.subscriber_id)
    if request.form.get("List-Unsubscribe") == "One-Click":
        return _one_click(link)
    if "undo" in request.form or request.form.get("pause") in _PAUSES:
        return _take_back(token, link, _PAUSES.get(request.form.get("pause", "")))
    if "reason" in request.form:
        return _hear(token, link)
    everything = request.form.get("everything") == "yes"
    unsubscribe.leave(link, origins.of_request("link"), everything=everything)
    db.session.commit()
    return _left(token, link, everything=everything)


def _one_click(link: ReaderLink) -> Response:
    # RFC 8058 3.1: no redirect, no cookie, nothing further asked.
    unsubscribe.leave(link, origins.of_request("one-click"))
    db.session.commit()
    return Response("You have been unsubscribed.\n", mimetype="text/plain")


def _take_back(token: str, link: ReaderLink, pause: timedelta | None) -> Response:
    back = returning.undo(link, origins.of_request("undo"), pause=pause)
    db.session.commit()
    reader = db.session.get_one(Subscriber, link.subscriber_id)
    newsletter = db.session.get(Newsletter, link.newsletter_id)
    zone = newsletter.zone if newsletter else "UTC"
    until = words.long_date(reader.paused_until, zone, languages.spoken()) if pause and reader.paused_until else ""
    return pages.answer("back.html", wished=wishes.by_newsletter(back), until=until, token=token)


def _hear(token: str, link: ReaderLink) -> Response:
    try:
        returning.give_reason(link, request.form["reason"])
    except errors.BadInput as error:
        return _left(token, link, problem=languages.say(error.message), status=400)
    db.session.commit()
    return _left(token, link, is_heard=True)


def _left(
    token: str,
    link: ReaderLink,
    *,
    everything: bool = False,
    is_heard: bool = False,
    problem: str = "",
    status: int = 200,
) -> Response:
    """The page after leaving: what may be had instead, each by one press."""
    db.session.rollback()
    reader, newsletter = db.session.get(Subscriber, link.subscriber_id), db.session.get(Newsletter, link.newsletter_id)
    held = wishes.of_keys(sorted(subscriptions.held(reader, SubscriptionState.CONFIRMED))) if reader else []
    left = returning.left_lately(link)
    agreement, language = forms.agreement(), languages.spoken()
    rarer = returning.less_often(link, left) if agreement else []
    return pages.answer(
        "left.html",
        status=status,
        newsletter="" if everything or not newsletter else newsletter.title,
        address=addresses.masked(reader.address) if reader else "",
        token=token,
        kept=[wish.name for wish in held],
        also_reads=wishes.by_newsletter(held),
        left=left if agreement else [],
        can_undo=bool(left),
        rarer=[(each, calendar.how_often(each, language), [wish.name for wish in wished]) for each, wished in rarer],
        pauses={"7": timedelta(weeks=1), "30": timedelta(days=30), "90": timedelta(days=90)},
        agreement=agreement,
        choose=url_for("preferences.press", token=token),
        reasons={value: languages.say(said) for value, said in returning.REASONS.items()},
        is_heard=is_heard,
        problem=problem,
    )
