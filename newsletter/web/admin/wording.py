"""How the desk says times, numbers and states."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel import dates, numbers
from flask import Blueprint

from newsletter import clock
from newsletter.mail import links
from newsletter.publication.models import Newsletter, Topic

blueprint = Blueprint("desk_wording", __name__)
LOCALE = "en_US"

_LEFT_OUT = {
    "nothing_new": "Nothing new for them",
    "paused": "Pausing",
    "suppressed": "Must not be written to",
    "unconfirmed": "Not confirmed yet",
    "new_terms_not_agreed": "New terms not agreed to",
}


@blueprint.app_template_filter("desk_when")
def when(at: datetime, zone: str, *, named: bool = True) -> str:
    """Thursday 26 November 07:00 (Europe/Berlin); with the year when it is not this one."""
    local = at.astimezone(ZoneInfo(zone))
    year = "" if local.year == clock.now().astimezone(ZoneInfo(zone)).year else " y"
    said = dates.format_datetime(local, f"EEEE d MMMM{year} HH:mm", tzinfo=local.tzinfo, locale=LOCALE)
    return f"{said} ({zone})" if named else said


@blueprint.app_template_filter("desk_clock")
def clock_of(at: datetime, zone: str) -> str:
    """06:30; of another day than today: Wednesday 25 November 06:30."""
    local, here = at.astimezone(ZoneInfo(zone)), clock.now().astimezone(ZoneInfo(zone))
    return f"{local:%H:%M}" if local.date() == here.date() else when(at, zone, named=False)


@blueprint.app_template_test("desk_ahead")
def is_ahead(at: datetime) -> bool:
    """Whether this instant is still to come."""
    return at > clock.now()


@blueprint.app_template_filter("desk_on")
def on(day: date) -> str:
    """Thursday 26 November 2026."""
    return dates.format_date(day, "EEEE d MMMM y", locale=LOCALE)


@blueprint.app_template_filter("desk_day")
def short_day(day: date) -> str:
    """26 November 2026."""
    return dates.format_date(day, "d MMMM y", locale=LOCALE)


@blueprint.app_template_filter("desk_share")
def share(value: float) -> str:
    """98.7%; what is little is not nothing."""
    return numbers.format_percent(value, "#,##0.0%" if 0 < value < 1 else None, locale=LOCALE)


@blueprint.app_template_filter("desk_ago")
def ago(at: datetime) -> str:
    """12 minutes ago; in 3 hours."""
    return dates.format_timedelta(at - clock.now(), add_direction=True, threshold=1.5, locale=LOCALE)


@blueprint.app_template_filter("desk_span")
def span(length: timedelta) -> str:
    """40 seconds; 4 minutes."""
    return dates.format_timedelta(length, threshold=1.5, locale=LOCALE)


@blueprint.app_template_filter("desk_number")
def number(value: float) -> str:
    """3,952."""
    return numbers.format_decimal(value, locale=LOCALE)


@blueprint.app_template_filter("desk_count")
def count(value: int, one: str, many: str) -> str:
    """1 story; 3,952 stories."""
    return f"{number(value)} {one if value == 1 else many}"


@blueprint.app_template_filter("desk_kilobytes")
def kilobytes(size: int) -> str:
    """48 KB, as the limit of 102 KB is counted: a thousand bytes each."""
    return f"{number(max(1, round(size / 1000)))} KB"


@blueprint.app_template_filter("desk_left_out")
def left_out(reason: str) -> str:
    """Why readers get no mail, as a heading."""
    return _LEFT_OUT.get(reason, reason.replace("_", " ").capitalize())


@blueprint.app_template_filter("desk_stamp")
def stamp(iso: str) -> str:
    """An instant in ISO 8601 to the minute: 23 November 2026 09:25 UTC."""
    at = datetime.fromisoformat(iso).astimezone(UTC)
    return f"{dates.format_datetime(at, 'd MMMM y HH:mm', tzinfo=UTC, locale=LOCALE)} UTC"


@blueprint.app_template_filter("desk_local")
def local(at: datetime | None, zone: str) -> dict[str, str]:
    """An instant as the date and time fields of a form want it; empty without one."""
    if at is None:
        return {"on": "", "at": ""}
    there = at.astimezone(ZoneInfo(zone))
    return {"on": there.date().isoformat(), "at": f"{there:%H:%M}"}


@blueprint.app_template_filter("desk_bytes")
def size(count: int) -> str:
    """812 bytes; 3.4 MB."""
    for unit, step in (("MB", 1_000_000), ("kB", 1000)):
        if count >= step:
            return f"{numbers.format_decimal(count / step, format='#,##0.#', locale=LOCALE)} {unit}"
    return f"{count} bytes"


@blueprint.app_template_filter("desk_newsletter_choices")
def newsletter_choices(newsletters: list[Newsletter]) -> list[tuple[str, str]]:
    """Newsletters as a form offers them: (slug, title)."""
    return [(each.slug, each.title) for each in newsletters]


@blueprint.app_template_filter("desk_choices")
def choices(topics: list[Topic]) -> list[tuple[str, str]]:
    """Topics as a form offers them: (slug, name)."""
    return [(topic.slug, topic.name) for topic in topics]


@blueprint.app_template_filter("desk_day_choices")
def day_choices(days: Iterable[str]) -> list[tuple[str, str]]:
    """Weekday names as a form offers them: ("mon", "Mon")."""
    return [(day, day.title()) for day in days]


@blueprint.app_template_filter("desk_link")
def link(url: str) -> str:
    """An address from outside that is safe to put behind a link; empty when it is none of http or https."""
    return links.safe(url)
