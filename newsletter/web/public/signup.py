"""The sign-up form: shown, filled in by a pasted one, and pressed."""

from flask import Blueprint, Response, request
from sqlalchemy.exc import IntegrityError

from newsletter import db, errors
from newsletter.audience import signup
from newsletter.audience.signup import Ask
from newsletter.web import languages
from newsletter.web.public import forms, origins, pages
from newsletter.web.public.forms import Stamp, Typed

blueprint = Blueprint("signup", __name__)

# Two sign-ups at once may both try to make the same limit's row; the one that lost finds it on its second try.
_TRIES = 3


@blueprint.get("/subscribe")
def show() -> Response:
    """The form; ?topic=music and ?newsletter=daily choose beforehand."""
    topic, newsletter = request.args.get("topic", ""), request.args.get("newsletter", "")
    return pages.answer("subscribe.html", box=forms.box(topic, newsletter_slug=newsletter))


@blueprint.post("/subscribe")
def press() -> Response:
    """Ask for a subscription."""
    return answer_press("subscribe.html", "subscribed.html", is_framed=False)


def answer_press(form_page: str, done_page: str, *, is_framed: bool) -> Response:
    """The answer to the pressed button: one and the same page for every address, or the form with what is wrong."""
    typed, token = forms.read(request.form), request.form.get("form", "")
    stamp = forms.stamp(token)
    if stamp is None:
        # A form pasted on another page, or a very old one: the tick and the sentence are only ever given on ours.
        filled = Typed(typed.email, typed.newsletters, typed.topics, typed.subscriptions)
        remark = _remark(is_ours=bool(token))
        return pages.answer(
            form_page, box=forms.refilled(filled, page=request.path, remark=remark, is_framed=is_framed)
        )
    languages.speak(stamp.shown.language)
    if typed.is_trapped or stamp.is_too_fast:
        return pages.answer(done_page)
    problems = forms.problems(typed)
    if not problems:
        problems = _request(typed, stamp)
    if problems:
        db.session.rollback()
        box = forms.refilled(typed, page=stamp.page, problems=problems, token=token, is_framed=is_framed)
        return pages.answer(form_page, status=400, box=box)
    return pages.answer(done_page)


def _remark(*, is_ours: bool) -> str:
    if is_ours:
        return languages.say("This page had been open for a long time. Please press Subscribe once more.")
    return languages.say("Please look through what is filled in, tick the box below and press Subscribe.")


def _request(typed: Typed, stamp: Stamp) -> dict[str, str]:
    ask = Ask(
        email=typed.email,
        origin=origins.of_request("form", stamp.page),
        newsletters=typed.newsletters,
        topics=typed.topics,
        subscriptions=typed.subscriptions,
        terms=typed.terms,
        tracking=typed.tracking,
        shown=stamp.shown,
    )
    for further in reversed(range(_TRIES)):
        try:
            signup.request_subscription(ask)
            db.session.commit()
        except errors.BadInput as error:
            return {error.field: languages.say(error.message)}
        except IntegrityError:
            db.session.rollback()
            if not further:
                raise
        else:
            break
    return {}
