"""How often a newsletter comes, in words a reader uses."""

from newsletter.publication.models import Newsletter
from newsletter.publication.newsletters import DAYS

_NAMES = dict(
    zip(DAYS, ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), strict=True)
)


def often(newsletter: Newsletter) -> str:
    """"Monday to Friday at 07:00, Berlin time"; without a calendar "When there is news"."""
    if not newsletter.days:
        return "When there is news"
    return f"{_days(newsletter.days)} at {newsletter.at}{_zone(newsletter.zone)}"


def _days(days: list[str]) -> str:
    names = [_NAMES[day] for day in DAYS if day in days]
    if len(names) == 7:
        return "Every day"
    if len(names) == 1:
        return f"Every {names[0]}"
    first = DAYS.index(next(day for day in DAYS if day in days))
    if len(names) > 2 and names == list(_NAMES.values())[first : first + len(names)]:
        return f"{names[0]} to {names[-1]}"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _zone(zone: str) -> str:
    city = zone.rpartition("/")[2].replace("_", " ")
    return " UTC" if zone in ("UTC", "Etc/UTC") else f", {city} time"
