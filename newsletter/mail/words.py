"""Numbers, dates and spans written out in a newsletter's language."""

import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta

from babel import Locale, dates, lists, numbers, units

from newsletter.languages import speech


def counted(number: int | None, one: str, many: str, language: str = "en") -> str:
    """ "3,952 Hypes", "1 Comment"; empty for zero and for unknown."""
    return f"{grouped(number, language)} {one if number == 1 else many}" if number and number > 0 else ""


def grouped(number: int, language: str = "en") -> str:
    """ "3,952" """
    return numbers.format_decimal(number, locale=_locale(language))


def long_date(moment: datetime, zone: str, language: str = "en") -> str:
    """ "Thursday 26 November 2026": the day it is in the IANA `zone` at that moment."""
    locale = _locale(language)
    # The US-English pattern puts commas and the month first; the rest of the world's own patterns are kept.
    pattern = "EEEE d MMMM y" if locale.language == "en" else "full"
    return dates.format_date(moment.astimezone(zoneinfo.ZoneInfo(zone)).date(), pattern, locale)


def long_moment(moment: datetime, zone_name: str, language: str = "en") -> str:
    """ "Thursday 26 November 2026, 07:00 (Berlin time)" """
    local = moment.astimezone(zoneinfo.ZoneInfo(zone_name))
    day = long_date(moment, zone_name, language)
    return speech.say(
        "%(date)s, %(time)s (%(zone)s)", language, date=day, time=f"{local:%H:%M}", zone=zone(zone_name, language)
    )


def zone(name: str, language: str = "en") -> str:
    """ "Berlin time": an IANA zone by its city, as readers name it."""
    if name in ("UTC", "Etc/UTC", "GMT"):
        return "UTC"
    city = dates.get_timezone_location(name, locale=_locale(language), return_city=True)
    return speech.say("%(city)s time", language, city=city)


def weekday(number: int, language: str = "en") -> str:
    """ "Monday" for 0."""
    return str(dates.get_day_names("wide", "stand-alone", _locale(language))[number])


def span(duration: timedelta, language: str = "en") -> str:
    """ "7 days", "1 hour": a span in its largest unit that leaves no remainder, in minutes at least."""
    minutes = max(1, round(duration.total_seconds() / 60))
    for name, size in (("day", 1440), ("hour", 60)):
        if minutes % size == 0:
            return units.format_unit(minutes // size, f"duration-{name}", locale=_locale(language))
    return units.format_unit(minutes, "duration-minute", locale=_locale(language))


def listed(names: Sequence[str], language: str = "en") -> str:
    """ "Music, Art, and Design" """
    return lists.format_list(list(names), locale=_locale(language))


def language_name(language: str) -> str:
    """ "Deutsch": a language by its own name."""
    locale = _locale(language)
    return (locale.get_display_name() or language).capitalize()


def direction(language: str) -> str:
    """ "ltr" or "rtl" """
    return speech.direction(language)


def _locale(language: str) -> Locale:
    return speech.locale(language)
