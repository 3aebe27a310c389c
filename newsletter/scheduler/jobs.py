"""The timetable: what the scheduler does, and how often. What is due stands in the database, never here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from newsletter.scheduler import tick
from newsletter.scheduler.tick import Report
from newsletter.settings import Settings


@dataclass(frozen=True)
class Job:
    """Something done again and again, each in a thread of its own: a slow feed never delays an issue."""

    name: str
    act: Callable[[Report], None]
    interval: Callable[[Settings], timedelta]


TIMETABLE = (
    Job("issues", tick.issues, lambda present: present.tick_interval),
    Job("feeds", tick.poll_feeds, lambda present: present.tick_interval),
    Job("sweep", tick.tidy, lambda present: present.sweep_interval),
)
