"""The dates on which newsletters appear: a row for each, opened once whatever number of schedulers is at work."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select

from newsletter import db, errors, settings
from newsletter.issues import calendar
from newsletter.issues.calendar import Occasion, Schedule
from newsletter.issues.models import OPEN_DATES, OPEN_ISSUES, Issue, Occurrence, OccurrenceState
from newsletter.publication import newsletters
from newsletter.publication.models import Approval, Newsletter

# After a longer downtime than this nothing of it is written down.
_REMEMBERED = timedelta(days=35)

_CHANGED, _PAUSED = "The calendar was changed.", "The newsletter is paused."
_PASSED_OVER = "It was due while nothing ran, and a later one takes its place."


def open_due(now: datetime) -> list[Occurrence]:
    """Open what is due, or whose draft is to open by now: flushed, harmless twice.

    After a downtime only the newest passed date is caught up; the others are written down as missed, and returned.
    """
    missed: list[Occurrence] = []
    for newsletter in newsletters.all():
        schedule = calendar.schedule_of(newsletter)
        _follow_calendar(newsletter, schedule, now)
        if schedule is not None:
            missed += _open_dates(newsletter, schedule, now)
    return missed


def waiting(now: datetime) -> list[Occurrence]:
    """Open occurrences whose issue is to be there by now and is not, the earliest first, also where a tick died."""
    query = (
        select(Occurrence)
        .outerjoin(Issue, Issue.occurrence_id == Occurrence.id)
        .where(Occurrence.state.in_(OPEN_DATES), Issue.id.is_(None))
        .order_by(Occurrence.due_at, Occurrence.id)
    )
    # One that an editor moved stands here long before its draft opens.
    return [each for each in db.session.scalars(query) if each.due_at <= now + opens_ahead(each.newsletter)]


def newsletter_of(occurrence: Occurrence) -> Newsletter:
    """The newsletter an occurrence is a date of."""
    return db.session.get_one(Newsletter, occurrence.newsletter_id)


def opens_ahead(newsletter: Newsletter) -> timedelta:
    """How long before its time the newsletter's draft opens: not at all when nobody approves it."""
    return timedelta() if newsletter.approval is Approval.NONE else settings.current().draft_ahead


def of(newsletter: Newsletter, on: date) -> Occurrence | None:
    """The occurrence written down for a local date, locked against others who would change it, or None."""
    query = select(Occurrence).filter_by(newsletter_id=newsletter.id, local_on=on).with_for_update()
    return db.session.scalars(query).first()


def issue_of(occurrence: Occurrence) -> Issue | None:
    """The issue of an occurrence, or None."""
    return db.session.scalars(select(Issue).filter_by(occurrence_id=occurrence.id)).first()


def put(newsletter: Newsletter, occasion: Occasion, state: OccurrenceState, *, note: str = "") -> Occurrence:
    """Write down that a date stands as an editor says; raises Conflict when its issue is open or gone already."""
    _insert(newsletter, occasion, state, note)
    stored = of(newsletter, occasion.on)
    if stored is None or (stored.state is not state and not stored.state.is_open):
        raise errors.Conflict("This date has passed, or its issue has left.")
    if state is OccurrenceState.SKIPPED and issue_of(stored) is not None and stored.state is not state:
        raise errors.Conflict("Its issue is open already. Cancel or move that one.")
    stored.state, stored.due_at, stored.note = state, occasion.due_at, note
    db.session.flush()
    return stored


def _open_dates(newsletter: Newsletter, schedule: Schedule, now: datetime) -> list[Occurrence]:
    # A calendar begins when it is saved: no earlier occasion is ever caught up.
    start = max(newsletter.calendar_from_at or newsletter.created_at, now - _REMEMBERED)
    due = calendar.occurrences(schedule, start, now + opens_ahead(newsletter))
    known = _known(newsletter, [occasion.on for occasion in due])
    passed = [each for each in due[:-1] if each.due_at <= now and each.on not in known]
    for occasion in due:
        if occasion in passed:
            _insert(newsletter, occasion, OccurrenceState.MISSED, _PASSED_OVER)
        elif occasion.on not in known:
            _insert(newsletter, occasion, OccurrenceState.DUE)
    query = select(Occurrence).where(
        Occurrence.newsletter_id == newsletter.id,
        Occurrence.local_on.in_([each.on for each in passed]),
        Occurrence.state == OccurrenceState.MISSED,
    )
    return list(db.session.scalars(query.order_by(Occurrence.due_at)))


def _follow_calendar(newsletter: Newsletter, schedule: Schedule | None, now: datetime) -> None:
    """Bring opened occurrences that are still to come in line with a calendar, or zone rules, that changed since."""
    if newsletter.paused_at is None:
        _end_pause(newsletter, now)
    query = select(Occurrence).where(
        Occurrence.newsletter_id == newsletter.id,
        Occurrence.state.in_(OPEN_DATES),
        Occurrence.due_at > now,
    )
    for opened in db.session.scalars(query):
        occasion = calendar.occasion_on(schedule, opened.local_on) if schedule else None
        # An editor's time stands while the date does.
        if occasion and (occasion.due_at == opened.due_at or opened.state is OccurrenceState.MOVED):
            continue
        issue = issue_of(opened)
        moves_along = issue is not None and issue.send_at == opened.due_at
        if occasion is None:
            opened.state, opened.note = OccurrenceState.SKIPPED, _PAUSED if newsletter.paused_at else _CHANGED
        else:
            opened.due_at = occasion.due_at
        if issue is not None and moves_along:
            issue.send_at = occasion.due_at if occasion else None
    db.session.flush()


def _end_pause(newsletter: Newsletter, now: datetime) -> None:
    """Have the dates appear again that a pause took out and that are still to come, their issues at their time."""
    query = select(Occurrence).filter_by(newsletter_id=newsletter.id, state=OccurrenceState.SKIPPED, note=_PAUSED)
    for paused in db.session.scalars(query.where(Occurrence.due_at > now)):
        paused.state, paused.note = OccurrenceState.DUE, ""
        issue = issue_of(paused)
        if issue is not None and issue.send_at is None and issue.state in OPEN_ISSUES:
            issue.send_at = paused.due_at


def _known(newsletter: Newsletter, dates: Sequence[date]) -> set[date]:
    query = select(Occurrence.local_on).where(Occurrence.newsletter_id == newsletter.id, Occurrence.local_on.in_(dates))
    return set(db.session.scalars(query))


def _insert(newsletter: Newsletter, occasion: Occasion, state: OccurrenceState, note: str = "") -> None:
    """One row a date: whoever comes second changes nothing."""
    values = {
        "newsletter_id": newsletter.id,
        "local_on": occasion.on,
        "due_at": occasion.due_at,
        "state": state,
        "note": note,
    }
    db.session.execute(db.insert(Occurrence).values(values).on_conflict_do_nothing())
