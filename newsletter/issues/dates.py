"""Every date of a newsletter in the coming weeks, with what became of it: planned, moved, skipped, or its issue."""

import enum
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.issues import calendar, lifecycle
from newsletter.issues.models import OPEN_ISSUES, Issue, Occurrence, OccurrenceState
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter

AHEAD = timedelta(weeks=8)
# The calendar's own time may lie this far from where an editor moved it, and still be found.
_MARGIN = timedelta(days=15)


class Standing(enum.StrEnum):
    """What a date is without an issue; with one, it is the issue's state."""

    PLANNED = "planned"
    SKIPPED = "skipped"
    HOLIDAY = "holiday"
    MISSED = "missed"


@dataclass(frozen=True)
class Date:
    """One date of a newsletter: when it goes, or would have gone, and what it is now."""

    newsletter: Newsletter
    at: datetime
    state: str  # a Standing, or the issue's shown state
    on: date | None = None  # the calendar's date; None: an issue with a time of its own
    planned_at: datetime | None = None  # by the calendar
    issue: Issue | None = None
    note: str = ""

    @property
    def appears(self) -> bool:
        """Whether something goes, or went, on it."""
        return self.state not in (Standing.SKIPPED, Standing.HOLIDAY, Standing.MISSED, "cancelled")

    @property
    def is_moved(self) -> bool:
        """Whether it goes at another time than the calendar's."""
        return self.appears and self.planned_at is not None and self.at != self.planned_at

    @property
    def can_be_moved(self) -> bool:
        """Whether an editor can still give it another time."""
        return self.on is not None and self._is_to_come and self.appears

    @property
    def can_be_skipped(self) -> bool:
        """Whether an editor can take it out; one with an issue goes by cancelling that."""
        return self.can_be_moved and self.issue is None

    @property
    def can_return(self) -> bool:
        """Whether it was taken out, and can appear again at the calendar's time."""
        is_out = self.state in (Standing.SKIPPED, Standing.HOLIDAY)
        return is_out and self.planned_at is not None and self.planned_at > clock.now()

    @property
    def about_clocks(self) -> str:
        """A sentence when the clocks change over its time, else empty."""
        schedule = calendar.schedule_of(self.newsletter)
        if self.on is not None and schedule is not None and self.at == self.planned_at:
            return calendar.word_about_clocks(schedule.zone, self.on, schedule.at)
        there, zone = local(self.newsletter, self.at), self.newsletter.zone
        is_first = calendar.due(zone, there.date(), there.time()) == self.at
        return calendar.word_about_clocks(zone, there.date(), there.time()) if is_first else ""

    @property
    def local_on(self) -> date:
        """The day it goes, on the clock of its zone."""
        return local(self.newsletter, self.at).date()

    @property
    def _is_to_come(self) -> bool:
        return self.at > clock.now() and (self.issue is None or self.issue.state in OPEN_ISSUES)


def coming(found: Iterable[Newsletter], now: datetime, *, ahead: timedelta = AHEAD) -> list[Date]:
    """The dates of these newsletters from now on, by local day and instant."""
    dates = [each for newsletter in found for each in _of(newsletter, now, now + ahead)]
    return sorted(dates, key=lambda each: (each.local_on, each.at, each.newsletter.id))


def get(newsletter: Newsletter, on: date) -> Date:
    """The date of a newsletter; raises NotFound for one it never had."""
    middle = datetime.combine(on, time(), UTC)
    for each in _of(newsletter, middle - _MARGIN, middle + _MARGIN):
        if each.on == on:
            return each
    raise errors.NotFound(f"{newsletter.title} has no date on {on:%d %B %Y}.")


def next_appearance(newsletter: Newsletter, now: datetime) -> datetime | None:
    """When it appears next, skipped and moved dates considered; None: by hand, or not within 400 days."""
    # Most calendars answer within the first fortnight; the rest is for long holidays.
    for ahead in (timedelta(days=15), timedelta(days=400)):
        for each in coming([newsletter], now, ahead=ahead):
            if each.appears and (each.issue is None or each.issue.state in OPEN_ISSUES):
                return each.at
    return None


def holidays(found: Iterable[Newsletter], today: date) -> dict[date, list[Newsletter]]:
    """The dates taken out of each newsletter's calendar by its list, from today on."""
    listed: dict[date, list[Newsletter]] = {}
    for newsletter in found:
        for holiday in newsletter.holidays:
            if holiday.on >= today:
                listed.setdefault(holiday.on, []).append(newsletter)
    return dict(sorted(listed.items()))


def local(newsletter: Newsletter, instant: datetime) -> datetime:
    """An instant on the clock of the newsletter's zone."""
    return instant.astimezone(zoneinfo.ZoneInfo(newsletter.zone))


def with_calendar() -> list[Newsletter]:
    """The newsletters that have dates at all."""
    return [newsletter for newsletter in newsletters.all() if newsletter.days]


def _of(newsletter: Newsletter, start: datetime, end: datetime) -> list[Date]:
    dates = _by_calendar(newsletter, start, end)
    stored = _stored(newsletter, start, end)
    issues = _issues(newsletter, stored, start, end)
    by_occurrence = {issue.occurrence_id: issue for issue in issues if issue.occurrence_id}
    for row in stored:
        planned = dates.get(row.local_on)
        dates[row.local_on] = _from_row(newsletter, row, planned, by_occurrence.get(row.id))
    alone = [
        Date(newsletter, issue.send_at, lifecycle.shown_state(issue), issue=issue)
        for issue in issues
        if issue.occurrence_id is None and not issue.is_note and issue.send_at and issue.state in OPEN_ISSUES
    ]
    return [each for each in [*dates.values(), *alone] if start < each.at <= end]


def _by_calendar(newsletter: Newsletter, start: datetime, end: datetime) -> dict[date, Date]:
    schedule = calendar.schedule_of(newsletter)
    if schedule is None:
        return {}
    # Beyond both ends: what was moved in from there, or out.
    every = calendar.occurrences(replace(schedule, holidays=frozenset()), start - _MARGIN, end + _MARGIN)
    return {
        each.on: Date(
            newsletter,
            each.due_at,
            Standing.HOLIDAY if each.on in schedule.holidays else Standing.PLANNED,
            on=each.on,
            planned_at=each.due_at,
        )
        for each in every
    }


def _stored(newsletter: Newsletter, start: datetime, end: datetime) -> list[Occurrence]:
    query = select(Occurrence).where(
        Occurrence.newsletter_id == newsletter.id,
        Occurrence.due_at > start - _MARGIN,
        Occurrence.due_at <= end + _MARGIN,
    )
    return list(db.session.scalars(query))


def _issues(newsletter: Newsletter, stored: list[Occurrence], start: datetime, end: datetime) -> list[Issue]:
    of_dates = select(Issue).where(Issue.occurrence_id.in_([row.id for row in stored]))
    alone = select(Issue).where(
        Issue.newsletter_id == newsletter.id, Issue.occurrence_id.is_(None), Issue.send_at > start, Issue.send_at <= end
    )
    return [*db.session.scalars(of_dates), *db.session.scalars(alone)]


def _from_row(newsletter: Newsletter, row: Occurrence, planned: Date | None, issue: Issue | None) -> Date:
    planned_at = planned.planned_at if planned else None
    is_holiday = planned is not None and planned.state == Standing.HOLIDAY
    if row.state is OccurrenceState.SKIPPED or (is_holiday and issue is None):
        state: str = Standing.HOLIDAY if is_holiday else Standing.SKIPPED
        return Date(newsletter, planned_at or row.due_at, state, row.local_on, planned_at, issue, row.note)
    if row.state is OccurrenceState.MISSED and issue is None:
        return Date(newsletter, row.due_at, Standing.MISSED, row.local_on, planned_at, None, row.note)
    at = issue.send_at if issue and issue.state in OPEN_ISSUES and issue.send_at else row.due_at
    state = lifecycle.shown_state(issue) if issue else Standing.PLANNED
    note = row.note or (issue.held_reason if issue else "")
    return Date(newsletter, at, state, row.local_on, planned_at, issue, note)
