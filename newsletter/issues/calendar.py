"""When a newsletter appears: local wall time on chosen days, turned into instants, whatever the clocks do."""

import itertools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from newsletter.languages import speech
from newsletter.mail import words
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter

_DAY = timedelta(days=1)
# No calendar of ours has a longer gap, unless every date in it is a holiday.
_HORIZON = timedelta(days=400)


@dataclass(frozen=True)
class Schedule:
    """A local wall time in an IANA zone on weekdays (Monday is 0), without the holidays."""

    zone: str
    at: time
    days: frozenset[int]
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True)
class Occasion:
    """One appearance: the local date it belongs to, and the instant it is due."""

    on: date
    due_at: datetime


def schedule_of(newsletter: Newsletter) -> Schedule | None:
    """The schedule of a newsletter; None when it is paused, or sent by hand."""
    if newsletter.paused_at is not None or not newsletter.days or not newsletter.at:
        return None
    return Schedule(
        newsletter.zone,
        time.fromisoformat(newsletter.at),
        frozenset(newsletters.DAYS.index(day) for day in newsletter.days),
        frozenset(holiday.on for holiday in newsletter.holidays),
    )


def occurrences(schedule: Schedule, start: datetime, end: datetime) -> list[Occasion]:
    """Every occasion due after `start` and not after `end`, in order; one per local date, never two at one instant."""
    zone = zoneinfo.ZoneInfo(schedule.zone)
    # A day more on both sides: a time in a gap before midnight falls on the next local date.
    first, last = start.astimezone(zone).date() - _DAY, end.astimezone(zone).date() + _DAY
    found = (occasion_on(schedule, day) for day in _dates(first, last))
    return [occasion for occasion in found if occasion and start < occasion.due_at <= end]


def occasion_on(schedule: Schedule, day: date) -> Occasion | None:
    """The occasion of a local date; None on other weekdays, holidays, and a date the zone never had."""
    if day.weekday() not in schedule.days or day in schedule.holidays:
        return None
    due_at = due(schedule.zone, day, schedule.at)
    return Occasion(day, due_at) if due_at else None


def due(zone_name: str, day: date, at: time) -> datetime | None:
    """The instant of a wall time: the first of two where clocks go back, the end of the gap where they go forward.

    None for a date the zone never had, as 30 December 2011 in Apia.
    """
    zone = zoneinfo.ZoneInfo(zone_name)
    wall = datetime.combine(day, at)
    # PEP 495: fold=0 is the first of a repeated time, and in a gap the offset from before it.
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(zone, wall)


def next_after(schedule: Schedule, instant: datetime) -> Occasion | None:
    """The first occasion due after an instant, or None within 400 days."""
    return next(iter(_forward(schedule, instant)), None)


def first_after(schedule: Schedule, instant: datetime, count: int) -> list[Occasion]:
    """The first occasions due after an instant, fewer where there are no more within 400 days."""
    return list(itertools.islice(_forward(schedule, instant), count))


def last_before(schedule: Schedule, instant: datetime) -> Occasion | None:
    """The last occasion due before an instant, or None within 400 days."""
    found = occurrences(schedule, instant - timedelta(days=15), instant - timedelta(microseconds=1))
    found = found or occurrences(schedule, instant - _HORIZON, instant - timedelta(microseconds=1))
    return found[-1] if found else None


def gap_around(schedule: Schedule, instant: datetime) -> timedelta | None:
    """The time between the occasion before an instant and the one at or after it."""
    before = last_before(schedule, instant)
    after = next_after(schedule, instant - timedelta(microseconds=1))
    return after.due_at - before.due_at if before and after else None


def how_often(newsletter: Newsletter, language: str = "en") -> str:
    """The calendar in words, for readers and editors: "Every day at 07:00 (Berlin time)"."""
    if newsletter.paused_at is not None:
        return speech.say("Paused for now", language)
    schedule = schedule_of(newsletter)
    if schedule is None:
        return speech.say("When there is news", language)
    days = _days_in_words(sorted(schedule.days), language)
    clock_time, zone = f"{schedule.at:%H:%M}", words.zone(schedule.zone, language)
    return speech.say("%(days)s at %(time)s (%(zone)s)", language, days=days, time=clock_time, zone=zone)


def word_about_clocks(zone_name: str, day: date, at: time) -> str:
    """What becomes of a wall time when the clocks change over it, in a sentence for the desk; else empty."""
    due_at = due(zone_name, day, at)
    if due_at is None:
        return f"{_said(day)} does not exist in {zone_name}."
    local = due_at.astimezone(zoneinfo.ZoneInfo(zone_name))
    if local.replace(tzinfo=None) != datetime.combine(day, at):
        other_day = "" if local.date() == day else f" on {_said(local.date())}"
        return f"{at:%H:%M} does not exist on {_said(day)}; goes at {local:%H:%M}{other_day}."
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        return f"{at:%H:%M} comes twice on {_said(day)}; goes at the first."
    return ""


def _said(day: date) -> str:
    return f"{day.day} {day:%B}"


def _dates(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + number * _DAY


def _end_of_gap(zone: zoneinfo.ZoneInfo, wall: datetime) -> datetime | None:
    # In a gap the later offset gives an instant before the change, the earlier one an instant after it.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    skipped_whole = before.astimezone(zone).date() < wall.date() < after.astimezone(zone).date()
    return None if skipped_whole else after


def _forward(schedule: Schedule, instant: datetime) -> Iterator[Occasion]:
    # Most calendars answer within the first fortnight; the rest of the horizon is for long holidays.
    yield from occurrences(schedule, instant, instant + timedelta(days=15))
    yield from occurrences(schedule, instant + timedelta(days=15), instant + _HORIZON)


def _days_in_words(days: list[int], language: str) -> str:
    if len(days) == 7:
        return speech.say("Every day", language)
    names = [words.weekday(day, language) for day in days]
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return speech.say("%(first)s to %(last)s", language, first=names[0], last=names[-1])
    if len(names) == 1:
        return speech.say("Every %(day)s", language, day=names[0])
    return words.listed(names, language)
