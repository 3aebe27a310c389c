"""Commands for the calendar: the coming dates, and an editor's hand on them."""

from datetime import date, timedelta
from typing import Any

import click
from flask.cli import AppGroup

from newsletter import clock, errors
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.issues import dates, rescheduling
from newsletter.issues.dates import Date
from newsletter.publication import newsletters

_WHERE = (
    click.argument("newsletter"),
    click.argument("on", metavar="DATE"),
)


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    calendar = AppGroup("calendar", help="The dates on which newsletters appear: listed, skipped, moved.")
    group.add_command(calendar)
    weeks = click.option("--weeks", type=click.IntRange(1, 52), default=8, show_default=True)
    add(calendar, "list", list_dates, click.argument("newsletter", required=False), weeks, reads=True)
    add(calendar, "skip", skip, *_WHERE, click.option("--note", default="", help="Why, for the other editors."))
    add(calendar, "return", bring_back, *_WHERE)
    to = click.option("--to", required=True, help="Wall time in the newsletter's zone, like 2026-12-24T06:00.")
    add(calendar, "move", move, *_WHERE, to)
    every = click.argument("newsletter", nargs=-1)
    add(calendar, "holiday", add_holiday, click.argument("on", metavar="DATE"), every)


def list_dates(*, newsletter: str | None, weeks: int) -> Answer:
    """List the coming dates of one newsletter, or of all, with what became of each."""
    chosen = [newsletters.get(newsletter)] if newsletter else newsletters.all()
    found = dates.coming(chosen, clock.now(), ahead=timedelta(weeks=weeks))
    return Answer({"dates": [_row(each) for each in found]}, [_line(each) for each in found] or ["No date."])


def skip(*, newsletter: str, on: str, note: str) -> Answer:
    """Have a newsletter not appear on a date."""
    rescheduling.skip(newsletters.get(newsletter), _date(on), note=note, actor=ACTOR)
    return _now(newsletter, on)


def bring_back(*, newsletter: str, on: str) -> Answer:
    """Have a skipped date, or a holiday, appear again at the calendar's time."""
    rescheduling.bring_back(newsletters.get(newsletter), _date(on), actor=ACTOR)
    return _now(newsletter, on)


def move(*, newsletter: str, on: str, to: str) -> Answer:
    """Give a date another time; the issue of it, if there is one, goes then."""
    day, _, at = to.partition("T")
    rescheduling.move(newsletters.get(newsletter), _date(on), rescheduling.wall_time(day, at), actor=ACTOR)
    return _now(newsletter, on)


def add_holiday(*, on: str, newsletter: tuple[str, ...]) -> Answer:
    """Take a date out of the calendar of these newsletters; of all without any named."""
    chosen = [newsletters.get(slug) for slug in newsletter] or dates.with_calendar()
    if not chosen:
        raise errors.NotFound("No newsletter has a calendar.")
    rescheduling.add_holiday(chosen, _date(on), actor=ACTOR)
    named = ", ".join(each.title for each in chosen)
    return Answer({"date": on, "newsletters": [each.slug for each in chosen]}, [f"Not on {on}: {named}."])


def _now(newsletter: str, on: str) -> Answer:
    present = dates.get(newsletters.get(newsletter), _date(on))
    return Answer(_row(present), [_line(present)])


def _row(each: Date) -> dict[str, Any]:
    return {
        "newsletter": each.newsletter.slug,
        "date": each.on,
        "at": each.at,
        "zone": each.newsletter.zone,
        "state": str(each.state),
        "moved": each.is_moved,
        "issue": each.issue.id if each.issue else None,
        "note": " ".join(part for part in (each.note, each.about_clocks) if part),
    }


def _line(each: Date) -> str:
    local = dates.local(each.newsletter, each.at)
    moved = ", moved" if each.is_moved else ""
    note = f"  {' '.join(part for part in (each.note, each.about_clocks) if part)}".rstrip()
    return f"{local:%a %Y-%m-%d %H:%M} {each.newsletter.zone}  {each.newsletter.slug}  {each.state}{moved}{note}"


def _date(text: str) -> date:
    try:
        return rescheduling.day(text)
    except errors.BadInput:
        raise errors.BadInput(f"A date is written like 2026-12-25, not {text!r}.", field="on") from None
