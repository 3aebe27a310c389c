"""The preferences page by the signed link in every mail, and the page that mails one to who has none at hand."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, url_for

from newsletter import clock, db, errors, settings
from newsletter.audience import addresses, fresh_links, preferences, reader_links
from newsletter.audience.preferences import Wanted
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import calendar
from newsletter.languages import speech
from newsletter.mail import words
from newsletter.publication import legal, newsletters
from newsletter.web import languages, security
from newsletter.web.public import forms, origins, pages

blueprint = Blueprint("preferences", __name__, url_prefix="/preferences")

_STALE = speech.later(
    "Nothing was changed: this page had been open for a long time. Please choose again and press Save."
)
_LONGEST_PAUSE = timedelta(days=366)


@blueprint.get("")
def ask() -> Response:
    """For who has no link: a field for the address."""
    return pages.answer("preferences_link.html", email="", problem="")


@blueprint.post("")
def mail_link() -> Response:
    """Mail the link; the answer is the same whoever the address belongs to."""
    email = request.form.get("email", "").replace("\0", "").strip()[:400]
    try:
        fresh_links.ask_preferences(email, origins.of_request("form"))
    except errors.BadInput as error:
        db.session.rollback()
        return pages.answer("preferences_link.html", status=400, email=email, problem=languages.say(error.message))
    db.session.commit()
    return pages.answer("link_sent.html")


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
        return _page(token, link, problem=languages.say(_STALE), status=400)
    # A digest is one choice among several, so its fields are named for the topic: digest-music = daily.
    names = [
        f"{value}:{field.removeprefix('digest-')}"
        for field, value in request.form.items()
        if field.startswith("digest-") and value
    ]
    names += request.form.getlist("subscription")
    origin = origins.of_request("preferences")
    try:
        changed = preferences.choose(link, names, origin, shown=stamp.shown if stamp else None)
        is_other = preferences.want(link, _wanted(link), origin)
    except errors.BadInput as error:
        return _page(token, link, problem=languages.say(error.message), status=400)
    db.session.commit()
    return _page(token, link, told="saved" if changed.added or changed.ended or is_other else "same")


@blueprint.post("/<token>/link")
@security.private
def mail_private_link(token: str) -> Response:
    """Mail the link to what is private to the reader's own address: whoever holds this page may not be the reader."""
    fresh_links.ask_private(reader_links.read(token).subscriber_id, origins.of_request("preferences"))
    db.session.commit()
    return pages.answer("link_sent.html")


def _wanted(link: ReaderLink) -> Wanted:
    """What the form says beside topics; nothing where it was another page's form. Raises BadInput."""
    form = request.form
    if form.get("more") != "yes":
        return Wanted()
    language = form.get("language", "")
    return Wanted(
        language=language if language in _languages() else None,
        paused_until=_pause(form.get("paused_until", "").strip(), _zone(link)),
        is_measured=form.get("tracking") == "yes" if settings.current().measures_readers else None,
    )


def _pause(text: str, zone: str) -> datetime:
    """The start of the day somebody wants mail again; now where no day is given."""
    if not text:
        return clock.now()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise errors.BadInput("Please write the date like 2026-12-24.", field="paused_until") from None
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    if not today <= day <= today + _LONGEST_PAUSE:
        raise errors.BadInput("Please choose a day within the next year.", field="paused_until")
    return calendar.due(zone, day, time.min) or datetime.combine(day, time.min, UTC)


def _page(token: str, link: ReaderLink, *, told: str = "", problem: str = "", status: int = 200) -> Response:
    db.session.rollback()
    with db.reading():
        view, zone = preferences.view(link), _zone(link)
        languages.speak(view.language)
        frequencies = {each.id: calendar.how_often(each, languages.spoken()) for each in view.newsletters}
        paused = view.paused_until
        return pages.answer(
            "preferences.html",
            status=status,
            view=view,
            address=addresses.masked(view.address),
            often=frequencies,
            agreement=forms.agreement(),
            languages=_languages(),
            paused_on=paused.astimezone(ZoneInfo(zone)).date().isoformat() if paused else "",
            paused_words=words.long_date(paused, zone, languages.spoken()) if paused else "",
            today=clock.now().astimezone(ZoneInfo(zone)).date().isoformat(),
            measures=settings.current().measures_readers,
            measurement=languages.say(preferences.MEASUREMENT),
            told=told,
            problem=problem,
            action=url_for("preferences.press", token=token),
            leave=url_for("unsubscribe.show", token=token),
            ask_private=url_for("preferences.mail_private_link", token=token),
        )


def _zone(link: ReaderLink) -> str:
    found = newsletters.by_id(link.newsletter_id) or newsletters.default()
    return found.zone if found else "UTC"


def _languages() -> dict[str, str]:
    """The languages mails may be in, each by its own name: those of newsletters whose texts exist in them."""
    spoken = dict.fromkeys(each.language for each in newsletters.public())
    return {each: words.language_name(each) for each in spoken if legal.is_open(each)}
