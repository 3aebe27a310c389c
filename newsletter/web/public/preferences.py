"""The preferences page: topics, and how often, by the signed link in every mail."""

from flask import Blueprint, Response, request, url_for

from newsletter import db, errors
from newsletter.audience import addresses, preferences, reader_links
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import calendar
from newsletter.web import security
from newsletter.web.public import forms, origins, pages

blueprint = Blueprint("preferences", __name__, url_prefix="/preferences")

_STALE = "Nothing was changed: this page had been open for a long time. Please choose again and press Save."


@blueprint.get("/<token>")
@security.private
def show(token: str) -> Response:
    """What the reader takes and could take."""
    return _page(token, reader_links.read(token))


@blueprint.post("/<token>")
@security.private
def press(token: str) -> Response:
    """Take exactly what is chosen."""
    link, stamp = reader_links.read(token), forms.stamp(request.form.get("form", ""))
    # While sign-up is closed there is no sentence to agree to: then nothing new can be taken, but all given up.
    if stamp is None and forms.agreement():
        return _page(token, link, problem=_STALE, status=400)
    # A digest is one choice among several, so its fields are named for the topic: digest-music = daily.
    names = [
        f"{value}:{field.removeprefix('digest-')}"
        for field, value in request.form.items()
        if field.startswith("digest-") and value
    ]
    try:
        names += request.form.getlist("subscription")
        changed = preferences.choose(
            link, names, origins.of_request("preferences"), shown=stamp.shown if stamp else None
        )
    except errors.BadInput as error:
        return _page(token, link, problem=error.message, status=400)
    db.session.commit()
    return _page(token, link, told="Saved." if changed.added or changed.ended else "Nothing has changed.")


def _page(token: str, link: ReaderLink, *, told: str = "", problem: str = "", status: int = 200) -> Response:
    db.session.rollback()
    with db.reading():
        view = preferences.view(link)
        frequencies = {each.id: calendar.how_often(each) for each in view.newsletters}
        return pages.answer(
            "preferences.html",
            status=status,
            view=view,
            address=addresses.masked(view.address),
            often=frequencies,
            agreement=forms.agreement(),
            told=told,
            problem=problem,
            action=url_for("preferences.press", token=token),
            leave=url_for("unsubscribe.show", token=token),
        )
