"""The next eight weeks over all newsletters; a date skipped, brought back, moved, taken out as a holiday."""

from collections.abc import Callable
from datetime import date, timedelta

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import clock, db, errors
from newsletter.issues import dates, rescheduling
from newsletter.issues.dates import Date
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers, wording

blueprint = Blueprint("desk_calendar", __name__, url_prefix="/admin/calendar")
_NOTE = 200  # characters of a reason: a line of the list


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The list."""
    return _page()


@blueprint.post("/holidays")
@access.needs(Action.PUBLISH)
def add_holiday() -> Response:
    """Take a date out of one newsletter's calendar, or of all."""
    visitor = access.visitor()
    try:
        on, chosen = rescheduling.day(request.form.get("on", "")), _chosen(request.form.get("newsletter", ""))
        rescheduling.add_holiday(chosen, on, actor=visitor.address, editor_id=visitor.editor_id)
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        return _page(error)
    titles = ", ".join(each.title for each in chosen)
    db.session.commit()
    return answers.see_other(url_for(".show"), told=f"Not on {wording.on(on)}: {titles}.")


@blueprint.get("/<slug>/<on>")
@access.needs(Action.PUBLISH)
def show_date(slug: str, on: str) -> Response:
    """One date, and what can be done with it."""
    return _date_page(slug, on)


@blueprint.post("/<slug>/<on>/skip")
@access.needs(Action.PUBLISH)
def skip(slug: str, on: str) -> Response:
    """Have the newsletter not appear on the date."""

    def skip_it(newsletter: Newsletter, day: date) -> str:
        note = " ".join(request.form.get("note", "").split())[:_NOTE]
        visitor = access.visitor()
        rescheduling.skip(newsletter, day, note=note, actor=visitor.address, editor_id=visitor.editor_id)
        return f"{newsletter.title} does not appear on {wording.on(day)}."

    return _do(slug, on, skip_it)


@blueprint.post("/<slug>/<on>/return")
@access.needs(Action.PUBLISH)
def bring_back(slug: str, on: str) -> Response:
    """Have the newsletter appear on the date after all."""

    def bring_it_back(newsletter: Newsletter, day: date) -> str:
        visitor = access.visitor()
        rescheduling.bring_back(newsletter, day, actor=visitor.address, editor_id=visitor.editor_id)
        return f"{newsletter.title} appears {wording.when(dates.get(newsletter, day).at, newsletter.zone)}."

    return _do(slug, on, bring_it_back)


@blueprint.post("/<slug>/<on>/time")
@access.needs(Action.PUBLISH)
def move(slug: str, on: str) -> Response:
    """Have the date's issue go at another time."""

    def move_it(newsletter: Newsletter, day: date) -> str:
        visitor = access.visitor()
        to = rescheduling.wall_time(request.form.get("on", ""), request.form.get("at", ""))
        goes_at, word = rescheduling.move(newsletter, day, to, actor=visitor.address, editor_id=visitor.editor_id)
        return f"{newsletter.title} goes {wording.when(goes_at, newsletter.zone)}. {word}".strip()

    return _do(slug, on, move_it)


def _do(slug: str, on: str, act: Callable[[Newsletter, date], str]) -> Response:
    """One change, committed; or the date's page with the sentence that says why not."""
    try:
        told = act(newsletters.get(slug), _day_of_address(on))
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        return _date_page(slug, on, error)
    db.session.commit()
    return answers.see_other(f"{url_for('.show')}#{slug}-{on}", told=told)


def _chosen(slug: str) -> list[Newsletter]:
    found = [newsletters.get(slug)] if slug else dates.with_calendar()
    if not found or not all(each.days for each in found):
        raise errors.BadInput("It is sent by hand, so there is no date to take out.", field="newsletter")
    return found


def _day_of_address(on: str) -> date:
    try:
        return rescheduling.day(on)
    except errors.BadInput:
        raise errors.NotFound("There is no such date.") from None


def _page(problem: errors.BadInput | errors.Conflict | None = None) -> Response:
    with db.reading():
        now, found = clock.now(), newsletters.all()
        page = render_template(
            "admin/calendar.html",
            weeks=_by_week(dates.coming(found, now)),
            holidays=dates.holidays(found, now.date()),
            newsletters=found,
            with_calendar=dates.with_calendar(),
            typed=request.form,
            field=problem.field if isinstance(problem, errors.BadInput) else "",
            said=problem.message if problem else "",
        )
    return make_response(page, _status(problem))


def _date_page(slug: str, on: str, problem: errors.BadInput | errors.Conflict | None = None) -> Response:
    with db.reading():
        newsletter = newsletters.get(slug)
        page = render_template(
            "admin/date.html",
            date=dates.get(newsletter, _day_of_address(on)),
            typed=request.form,
            field=problem.field if isinstance(problem, errors.BadInput) else "",
            said=problem.message if problem else "",
        )
    return make_response(page, _status(problem))


def _status(problem: errors.NewsletterError | None) -> int:
    if problem is None:
        return 200
    return 422 if isinstance(problem, errors.BadInput) else 409


def _by_week(found: list[Date]) -> dict[date, list[Date]]:
    """By the Monday of each date's week."""
    weeks: dict[date, list[Date]] = {}
    for each in found:
        weeks.setdefault(each.local_on - timedelta(days=each.local_on.weekday()), []).append(each)
    return weeks
