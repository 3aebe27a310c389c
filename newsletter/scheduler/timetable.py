"""The timetable: what the scheduler does, and how often, as one table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from newsletter import settings
from newsletter.scheduler import tick
from newsletter.scheduler.tick import Report


@dataclass(frozen=True)
class Entry:
    """A part of the tick with an interval of its own, so that what is slow delays nothing that is not."""

    name: str
    act: Callable[[Report], None]
    interval: Callable[[], timedelta]


TIMETABLE = (
    Entry("issues", tick.defer_issues, lambda: settings.current().tick_interval),
    Entry("feeds", tick.defer_feeds, lambda: settings.current().tick_interval),
    Entry("imports", tick.defer_imports, lambda: settings.current().tick_interval),
    Entry("sweep", tick.tidy, lambda: settings.current().sweep_interval),
)
