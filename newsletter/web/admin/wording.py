"""How the desk says times, numbers and states."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from babel import dates, numbers
from flask import Blueprint

from newsletter import clock

blueprint = Blueprint("desk_wording", __name__)
LOCALE = "en_US"

_DAYS = {"mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun"}


@blueprint.app_template_filter("desk_when")
def when(at: datetime, zone: str, *, named: bool = True) -> str:
    """Thursday 26 November 07:00 (Europe/Berlin); with the year when it is not this one."""
    local = at.astimezone(ZoneInfo(zone))
    year = "" if local.year == clock.now().astimezone(ZoneInfo(zone)).year else " y"
    said = dates.format_datetime(local, f"EEEE d MMMM{year} HH:mm", tzinfo=local.tzinfo, locale=LOCALE)
    return f"{said} ({zone})" if named else said


@blueprint.app_template_filter("desk_on")
def on(day: date) -> str:
    """Thursday 26 November 2026."""
    return dates.format_date(day, "EEEE d MMMM y", locale=LOCALE)


@blueprint.app_template_filter("desk_ago")
def ago(at: datetime) -> str:
    """12 minutes ago; in 3 hours."""
    return dates.format_timedelta(at - clock.now(), add_direction=True, threshold=1.5, locale=LOCALE)


@blueprint.app_template_filter("desk_number")
def number(value: float) -> str:
    """3,952."""
    return numbers.format_decimal(value, locale=LOCALE)


@blueprint.app_template_filter("desk_count")
def count(value: int, one: str, many: str) -> str:
    """1 story; 3,952 stories."""
    return f"{number(value)} {one if value == 1 else many}"


@blueprint.app_template_filter("desk_days")
def days(chosen: list[str]) -> str:
    """every day; Mon to Fri; Mon, Thu."""
    if len(chosen) == 7:
        return "every day"
    if list(chosen) == ["mon", "tue", "wed", "thu", "fri"]:
        return "Mon to Fri"
    return ", ".join(_DAYS[day] for day in chosen)


def local_instant(on_text: str, at_text: str, zone: str) -> datetime:
    """The instant of a date and a wall time typed in a zone; raises ValueError when either is not one."""
    return datetime.combine(date.fromisoformat(on_text), time.fromisoformat(at_text), tzinfo=ZoneInfo(zone))
