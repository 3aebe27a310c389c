"""How an instant is said to an editor: on the clock of the newsletter, with its zone."""

from datetime import datetime
from zoneinfo import ZoneInfo


def said(instant: datetime, zone: str) -> str:
    """Thursday 26 November 2026, 07:00 (Europe/Berlin)."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({zone})"


def clock_of(instant: datetime, zone: str, *, beside: datetime) -> str:
    """06:30 where it is the same day as `beside`; Wednesday 25 November 2026, 23:30 where it is not."""
    zone_info = ZoneInfo(zone)
    local, other = instant.astimezone(zone_info), beside.astimezone(zone_info)
    if local.date() == other.date():
        return f"{local:%H:%M}"
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M}"
