"""An editor's hand on the calendar: a date skipped, brought back, moved, or taken out by the list of holidays."""

from collections.abc import Sequence
from datetime import date, datetime, time

from newsletter import clock, db, errors
from newsletter.issues import calendar, dates, lifecycle, occurrences
from newsletter.issues.calendar import Occasion
from newsletter.issues.dates import Date
from newsletter.issues.models import OPEN_ISSUES, OccurrenceState
from newsletter.publication.models import Holiday, Newsletter
from newsletter.staff import audit

_FIRST, _LAST = date(2000, 1, 1), date(2999, 12, 31)


def skip(newsletter: Newsletter, on: date, *, actor: str, editor_id: int | None = None, note: str = "") -> None:
    """Have the newsletter not appear on a date; raises Conflict when that is past, or its issue open already."""
    present = dates.get(newsletter, on)
    if present.can_return:
        return
    _refuse_open_or_past(present)
    occurrences.put(newsletter, Occasion(on, present.planned_at or present.at), OccurrenceState.SKIPPED, note=note)
    after = {"state": "skipped"} | ({"note": note} if note else {})
    _record("date skipped", present, after, actor=actor, editor_id=editor_id)


def bring_back(newsletter: Newsletter, on: date, *, actor: str, editor_id: int | None = None) -> None:
    """Have a skipped date, or a holiday, appear again at the calendar's time; raises Conflict when it cannot."""
    present = dates.get(newsletter, on)
    if not present.can_return:
        raise errors.Conflict("This date is past." if present.at <= clock.now() else "This date is not skipped.")
    stored = occurrences.of(newsletter, on)
    if stored is not None:
        cancelled = occurrences.issue_of(stored)
        if cancelled is not None:
            # The date is free for another issue; the cancelled one stays what it is.
            cancelled.occurrence_id = None
            db.session.flush()
        db.session.delete(stored)
    newsletter.holidays = [holiday for holiday in newsletter.holidays if holiday.on != on]
    db.session.flush()
    _record("date brought back", present, {"state": "planned"}, actor=actor, editor_id=editor_id)


def move(
    newsletter: Newsletter, on: date, to: datetime, *, actor: str, editor_id: int | None = None
) -> tuple[datetime, str]:
    """Give a date another wall time of the newsletter's zone (naive); the instant, and a word about the clocks.

    It stays between its neighbours, so that no date takes another's stories. Raises BadInput for a time that cannot be,
    Conflict for a date that cannot be moved.
    """
    present = dates.get(newsletter, on)
    if not present.can_be_moved:
        raise errors.Conflict(_why_not(present))
    due_at = calendar.due(newsletter.zone, to.date(), to.time())
    if due_at is None:
        raise errors.BadInput("This date never was in this time zone.", field="on")
    if due_at <= clock.now():
        raise errors.BadInput("This time is past. Choose a later one.", field="on")
    _check_neighbours(present, due_at)
    state = OccurrenceState.DUE if due_at == present.planned_at else OccurrenceState.MOVED
    occurrences.put(newsletter, Occasion(on, due_at), state)
    if present.issue is not None and present.issue.state in lifecycle.READY:
        lifecycle.schedule(present.issue, due_at, actor=actor, editor_id=editor_id)
    elif present.issue is not None:
        present.issue.send_at = due_at
        present.issue.version += 1
    db.session.flush()
    _record("date moved", present, {"at": _local(newsletter, due_at)}, actor=actor, editor_id=editor_id)
    return due_at, calendar.word_about_clocks(newsletter.zone, to.date(), to.time())


def add_holiday(found: Sequence[Newsletter], on: date, *, actor: str, editor_id: int | None = None) -> None:
    """Put a date on these newsletters' lists of dates they do not appear; harmless twice, all of them or none."""
    if on < dates.local(found[0], clock.now()).date():
        raise errors.BadInput("This date is past.", field="on")
    for newsletter in found:
        listed = [holiday.on for holiday in newsletter.holidays]
        if on in listed:
            continue
        _refuse_open_issue(newsletter, on)
        newsletter.holidays.append(Holiday(on=on))
        db.session.flush()
        audit.record(
            actor,
            "holiday added",
            f"newsletter {newsletter.slug}",
            before={"holidays": [day.isoformat() for day in listed]},
            after={"holidays": sorted(day.isoformat() for day in [*listed, on])},
            editor_id=editor_id,
        )


def day(typed: str) -> date:
    """A date as typed, 2026-12-24; raises BadInput."""
    try:
        found = date.fromisoformat(typed)
    except ValueError:
        found = None
    # Calendars are not reckoned at the ends of what a date can be, where an instant in another zone is none.
    if found is None or not _FIRST <= found <= _LAST:
        raise errors.BadInput("Please choose a date.", field="on")
    return found


def wall_time(on: str, at: str) -> datetime:
    """A date and a time as typed, 2026-12-24 and 06:30, as a naive wall time; raises BadInput."""
    try:
        return datetime.combine(day(on), time.fromisoformat(at).replace(tzinfo=None))
    except (ValueError, errors.BadInput):
        raise errors.BadInput("Please choose a date and a time.", field="on") from None


def _refuse_open_or_past(present: Date) -> None:
    if not present.can_be_skipped:
        raise errors.Conflict(_why_not(present))


def _refuse_open_issue(newsletter: Newsletter, on: date) -> None:
    try:
        present = dates.get(newsletter, on)
    except errors.NotFound:
        return
    if present.issue is not None and present.issue.state in OPEN_ISSUES:
        raise errors.Conflict(f"{newsletter.title}: {_why_not(present)}")


def _why_not(present: Date) -> str:
    if present.can_return:
        return "This date is skipped. Bring it back first."
    if present.issue is not None and present.issue.state in OPEN_ISSUES:
        return "Its issue is open already. Cancel or move that one."
    return "This date is past, or its issue has left."


def _check_neighbours(present: Date, due_at: datetime) -> None:
    newsletter, on = present.newsletter, present.on
    if due_at > present.at + dates.AHEAD:
        raise errors.BadInput("This is more than eight weeks after its time. Skip it instead.", field="on")
    reach = max(due_at, present.at) - clock.now() + dates.AHEAD
    others = [each for each in dates.coming([newsletter], clock.now(), ahead=reach) if each.appears and each.on != on]
    for other in others:
        is_before = other.at < present.at
        if (due_at <= other.at) if is_before else (due_at >= other.at):
            said, zone = _local(newsletter, other.at), newsletter.zone
            order = "after" if is_before else "before"
            raise errors.BadInput(f"It has to go {order} the one of {said} ({zone}). Skip that one first.", field="on")


def _record(action: str, present: Date, after: dict[str, str], *, actor: str, editor_id: int | None) -> None:
    # What stays the same stands on both sides, so that a line says what changed and nothing else.
    before = {
        "date": present.on.isoformat() if present.on else "",
        "state": str(present.state),
        "at": _local(present.newsletter, present.at),
    }
    subject = f"newsletter {present.newsletter.slug}"
    audit.record(actor, action, subject, before=before, after=before | after, editor_id=editor_id)


def _local(newsletter: Newsletter, instant: datetime) -> str:
    return f"{dates.local(newsletter, instant):%Y-%m-%d %H:%M}"
