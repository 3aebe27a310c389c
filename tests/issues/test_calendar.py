"""The calendar: one occasion a local date, at an instant that exists, whatever the clocks do."""

import bisect
import itertools
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.issues import calendar
from newsletter.issues.calendar import Schedule
from newsletter.publication.models import Newsletter

# hypothesis wants naive bounds beside `timezones`.
_FIRST, _LAST = datetime(2024, 1, 2), datetime(2034, 1, 1)  # noqa: DTZ001

ZONES = sorted(
    [
        "Africa/Cairo",
        "Africa/Casablanca",
        "Africa/El_Aaiun",
        "Africa/Johannesburg",
        "Africa/Juba",
        "Africa/Lagos",
        "Africa/Nairobi",
        "America/Anchorage",
        "America/Argentina/Buenos_Aires",
        "America/Asuncion",
        "America/Bogota",
        "America/Caracas",
        "America/Chicago",
        "America/Denver",
        "America/Halifax",
        "America/Havana",
        "America/Lima",
        "America/Los_Angeles",
        "America/Mexico_City",
        "America/Miquelon",
        "America/New_York",
        "America/Nuuk",
        "America/Port-au-Prince",
        "America/Santiago",
        "America/Sao_Paulo",
        "America/Scoresbysund",
        "America/St_Johns",
        "America/Toronto",
        "Antarctica/Troll",
        "Asia/Almaty",
        "Asia/Amman",
        "Asia/Beirut",
        "Asia/Dubai",
        "Asia/Famagusta",
        "Asia/Gaza",
        "Asia/Jerusalem",
        "Asia/Kathmandu",
        "Asia/Kolkata",
        "Asia/Shanghai",
        "Asia/Tehran",
        "Asia/Tokyo",
        "Atlantic/Azores",
        "Australia/Adelaide",
        "Australia/Brisbane",
        "Australia/Eucla",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "Europe/Berlin",
        "Europe/Chisinau",
        "Europe/Dublin",
        "Europe/Istanbul",
        "Europe/Kyiv",
        "Europe/Lisbon",
        "Europe/London",
        "Europe/Moscow",
        "Pacific/Apia",
        "Pacific/Auckland",
        "Pacific/Chatham",
        "Pacific/Easter",
        "Pacific/Norfolk",
        "Pacific/Tongatapu",
        "UTC",
    ]
)
DAILY = frozenset(range(7))
FIRST, LAST = date(2024, 1, 1), date(2034, 12, 31)
HALF_HOURS = [time(hour, minute) for hour in range(24) for minute in (0, 30)]


@cache
def spans(zone_name: str) -> list[tuple[datetime, datetime]]:
    """Stretches of one offset, as the naive local times they begin and end with, and where each begins in UTC.

    Found by looking at the zone's offset hour by hour, and minute by minute where it changed: nothing of the
    calendar's own arithmetic.
    """
    zone = zoneinfo.ZoneInfo(zone_name)

    def offset(instant):
        return instant.astimezone(zone).utcoffset()

    begin, end = datetime(2023, 12, 30, tzinfo=UTC), datetime(2035, 1, 3, tzinfo=UTC)
    changes, here = [begin], begin
    while here < end:
        ahead = here + timedelta(hours=6)
        if offset(ahead) != offset(here):
            minute = here
            while minute < ahead:
                if offset(minute + timedelta(minutes=1)) != offset(minute):
                    changes.append(minute + timedelta(minutes=1))
                minute += timedelta(minutes=1)
        here = ahead
    ends = [*changes[1:], end]
    return [
        (start, (start + offset(start)).replace(tzinfo=None), (stop + offset(start)).replace(tzinfo=None))
        for start, stop in zip(changes, ends, strict=True)
    ]


def expected(zone_name: str, day: date, at: time) -> datetime:
    """The first instant that shows this wall time, else the first one that shows a later."""
    wall, found = datetime.combine(day, at), spans(zone_name)
    place = max(bisect.bisect_right([starts for _, starts, _ in found], wall) - 2, 0)
    for start, starts, stops in found[place:]:
        if starts <= wall < stops:
            return start + (wall - starts)
        if starts > wall:
            return start
    raise AssertionError


def assert_daily(zone_name: str, at: time) -> None:
    start, end = datetime(2024, 1, 2, tzinfo=UTC), datetime(2034, 12, 30, tzinfo=UTC)
    found = calendar.occurrences(Schedule(zone_name, at, DAILY), start, end)
    steps = {(late.on - early.on).days for early, late in itertools.pairwise(found)}
    assert steps == {1}, f"a date of {zone_name} {at} was lost or doubled"
    assert all(early.due_at < late.due_at for early, late in itertools.pairwise(found))
    assert [each.due_at for each in found] == [expected(zone_name, each.on, at) for each in found]


@pytest.mark.parametrize("zone_name", ZONES)
def test_over_ten_years_no_date_is_lost_or_doubled_in_any_zone(zone_name):
    # Times at which clocks change somewhere, and an innocent one; the property below tries all the others.
    for at in (time(0, 0), time(0, 30), time(2, 30), time(7, 0), time(23, 45)):
        assert_daily(zone_name, at)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), st.integers(0, 24 * 60 - 1))
def test_any_minute_in_any_zone_is_due_at_the_first_instant_that_shows_it(zone_name, minute):
    assert_daily(zone_name, time(minute // 60, minute % 60))


@settings(max_examples=100, deadline=None)
@given(
    zone_name=st.sampled_from(ZONES),
    at=st.sampled_from(HALF_HOURS),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=st.datetimes(_FIRST, _LAST, timezones=st.just(UTC)),
    cuts=st.lists(st.integers(1, 60 * 24 * 40), min_size=1, max_size=12),
)
def test_looking_often_finds_what_looking_once_finds(zone_name, at, days, start, cuts):
    schedule, found, here = Schedule(zone_name, at, days), [], start
    for minutes in cuts:
        found += calendar.occurrences(schedule, here, here + timedelta(minutes=minutes))
        here += timedelta(minutes=minutes)
    assert found == calendar.occurrences(schedule, start, here)
    assert all(each.on.weekday() in days for each in found)


@pytest.mark.parametrize(
    ("zone_name", "day", "at", "due"),
    [
        # clocks go forward: the first instant after the gap
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29", "02:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-30", "00:00", "2026-03-29T22:00"),
        ("Europe/Berlin", "2026-03-30", "00:59", "2026-03-29T22:59"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),
        ("Africa/Cairo", "2026-04-24", "00:30", "2026-04-23T22:00"),
        ("America/Havana", "2026-03-08", "00:30", "2026-03-08T05:00"),
        ("America/Santiago", "2026-09-06", "00:00", "2026-09-06T04:00"),
        ("America/Nuuk", "2026-03-28", "23:30", "2026-03-29T01:00"),
        ("America/Sao_Paulo", "2018-11-04", "00:15", "2018-11-04T03:00"),
        # clocks go back: the first of the two
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
        ("Africa/Cairo", "2026-10-29", "23:30", "2026-10-29T20:30"),
        ("America/Havana", "2026-11-01", "00:30", "2026-11-01T04:30"),
        ("America/Santiago", "2026-04-04", "23:30", "2026-04-05T02:30"),
        ("America/Sao_Paulo", "2019-02-16", "23:30", "2019-02-17T01:30"),
    ],
)
def test_known_dates(zone_name, day, at, due):
    instant = calendar.due(zone_name, date.fromisoformat(day), time.fromisoformat(at))
    assert instant == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_date_a_zone_never_had_has_no_occasion():
    start = datetime(2011, 12, 28, tzinfo=UTC)
    found = calendar.occurrences(Schedule("Pacific/Apia", time(0, 0), DAILY), start, start + timedelta(days=5))
    assert [each.on.day for each in found] == [28, 29, 31, 1, 2]


def test_holidays_are_left_out_and_the_next_occasion_steps_over_them():
    holidays = frozenset(date(2026, 12, day) for day in range(24, 32))
    schedule = Schedule("Europe/Berlin", time(7), DAILY, holidays)
    found = calendar.next_after(schedule, datetime(2026, 12, 23, 6, tzinfo=UTC))
    assert found.on == date(2027, 1, 1)
    assert calendar.gap_around(schedule, found.due_at) == timedelta(days=9)
    every_day_off = frozenset(date(2026, 1, 1) + timedelta(days=day) for day in range(800))
    assert calendar.next_after(Schedule("UTC", time(7), DAILY, every_day_off), datetime(2026, 3, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (range(7), "Every day at 07:00 (Berlin time)"),
        (range(5), "Monday to Friday at 07:00 (Berlin time)"),
        ((5,), "Every Saturday at 07:00 (Berlin time)"),
        ((0, 3), "Monday and Thursday at 07:00 (Berlin time)"),
        ((0, 2, 4), "Monday, Wednesday, and Friday at 07:00 (Berlin time)"),
    ],
)
def test_a_calendar_in_words(days, words):
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    newsletter = Newsletter(days=[names[day] for day in days], at="07:00", zone="Europe/Berlin")
    assert calendar.how_often(newsletter) == words


@pytest.mark.parametrize(
    ("zone_name", "day", "at", "words"),
    [
        ("Europe/Berlin", "2027-03-28", "02:30", "02:30 does not exist on 28 March; goes at 03:00."),
        ("Europe/Berlin", "2027-10-31", "02:30", "02:30 comes twice on 31 October; goes at the first."),
        ("Europe/Berlin", "2027-06-01", "02:30", ""),
        ("America/Nuuk", "2026-03-28", "23:30", "23:30 does not exist on 28 March; goes at 00:00 on 29 March."),
        ("Pacific/Apia", "2011-12-30", "07:00", "30 December does not exist in Pacific/Apia."),
    ],
)
def test_an_editor_is_told_when_the_clocks_move_an_issue(zone_name, day, at, words):
    assert calendar.word_about_clocks(zone_name, date.fromisoformat(day), time.fromisoformat(at)) == words
