"""The dates on which newsletters appear: a row for each, opened once whatever number of schedulers is at work."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter import db, errors, settings
from newsletter.issues import calendar
from newsletter.issues.calendar import Occasion, Schedule
from newsletter.issues.models import Issue, Occurrence, OccurrenceState
from newsletter.publication import newsletters
from newsletter.publication.models import Approval, Newsletter

# After a longer downtime than this nothing of it is written down.
_REMEMBERED = timedelta(days=35)

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


def waiting() -> list[Occurrence]:
    """Open occurrences without an issue, the earliest first: what open_due opened, also where a tick then died."""
    query = (
        select(Occurrence)
        .outerjoin(Issue, Issue.occurrence_id == Occurrence.id)
        .where(Occurrence.state == OccurrenceState.DUE, Issue.id.is_(None))
        .order_by(Occurrence.due_at, Occurrence.id)
    )
    return list(db.session.scalars(query))


def newsletter_of(occurrence: Occurrence) -> Newsletter:
    """The newsletter an occurrence is a date of."""
    return db.session.get_one(Newsletter, occurrence.newsletter_id)


def opens_ahead(newsletter: Newsletter) -> timedelta:
    """How long before its time the newsletter's draft opens: not at all when nobody approves it."""
    return timedelta() if newsletter.approval is Approval.NONE else settings.current().draft_ahead


def upcoming(newsletter: Newsletter, now: datetime, *, weeks: int = 8) -> list[tuple[Occasion, str]]:
    """The occasions of the next weeks with their words for the desk; skipped ones say so."""
    schedule = calendar.schedule_of(newsletter)
    if schedule is None:
        return []
    skipped = set(
        db.session.scalars(
            select(Occurrence.local_on).filter_by(newsletter_id=newsletter.id, state=OccurrenceState.SKIPPED)
        )
    )
    found = calendar.occurrences(schedule, now, now + timedelta(weeks=weeks))
    words = [f"{calendar.describe(schedule, each)}{'. Skipped' if each.on in skipped else ''}" for each in found]
    return list(zip(found, words, strict=True))


def skip(newsletter: Newsletter, on: date, *, note: str = "") -> None:
    """Have the newsletter not appear on a local date; raises Conflict when its issue is open or gone already."""
    schedule = calendar.schedule_of(newsletter)
    occasion = calendar.occasion_on(schedule, on) if schedule else None
    if occasion is None:
        raise errors.NotFound(f"{newsletter.title} does not appear on {on}.")
    _insert(newsletter, occasion, OccurrenceState.SKIPPED, note)
    stored = db.session.scalars(select(Occurrence).filter_by(newsletter_id=newsletter.id, local_on=on)).one()
    if stored.state is not OccurrenceState.SKIPPED:
        raise errors.Conflict("Its issue is open already. Cancel or move that one.")


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
    query = select(Occurrence).where(
        Occurrence.newsletter_id == newsletter.id,
        Occurrence.state == OccurrenceState.DUE,
        Occurrence.due_at > now,
    )
    for opened in db.session.scalars(query):
        occasion = calendar.occasion_on(schedule, opened.local_on) if schedule else None
        if occasion and occasion.due_at == opened.due_at:
            continue
        issue = db.session.scalars(select(Issue).filter_by(occurrence_id=opened.id)).first()
        moves_along = issue is not None and issue.send_at == opened.due_at
        if occasion is None:
            opened.state, opened.note = OccurrenceState.SKIPPED, "The calendar was changed."
        else:
            opened.due_at = occasion.due_at
        if issue is not None and moves_along:
            issue.send_at = occasion.due_at if occasion else None
    db.session.flush()


def _known(newsletter: Newsletter, dates: Sequence[date]) -> set[date]:
    query = select(Occurrence.local_on).where(Occurrence.newsletter_id == newsletter.id, Occurrence.local_on.in_(dates))
    return set(db.session.scalars(query))


def _insert(newsletter: Newsletter, occasion: Occasion, state: OccurrenceState, note: str = "") -> None:
    """One row a date: whoever comes second changes nothing."""
    is_postgresql = db.session.get_bind().dialect.name == "postgresql"
    insert: Any = postgresql.insert if is_postgresql else sqlite.insert
    values = {
        "newsletter_id": newsletter.id,
        "local_on": occasion.on,
        "due_at": occasion.due_at,
        "state": state,
        "note": note,
    }
    db.session.execute(insert(Occurrence).values(values).on_conflict_do_nothing())
