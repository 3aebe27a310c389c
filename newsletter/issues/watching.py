"""How fast an issue leaves and when it will be done, measured between the looks of whoever watches it."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from newsletter import clock
from newsletter.issues import progress, runs
from newsletter.issues.models import Issue
from newsletter.outbox import queue
from newsletter.outbox.models import Run, RunState
from newsletter.outbox.progress import Meter

_MOST = 20  # runs watched at once; more than a newsroom has under way


@dataclass(frozen=True)
class Pace:
    """Messages ended a second lately, the time left and the moment it will be done; None: nobody can tell yet."""

    rate: float
    left: timedelta | None
    done_at: datetime | None
    next_try_at: datetime | None  # of the messages that were refused for now


def look(issue: Issue) -> tuple[dict[str, Any], Pace | None]:
    """The issue's `progress.status`, and its pace while it is leaving."""
    run, found = runs.find(issue), progress.status(issue)
    if run is None or run.state is not RunState.RUNNING:
        return found, None
    now = clock.now()
    with _lock:
        figures = _meter(run).read(found, now.timestamp())
    return found, Pace(
        rate=figures.rate,
        left=figures.left,
        done_at=now + figures.left if figures.left else None,
        next_try_at=queue.next_try(run) if found["deferred"] else None,
    )


def _meter(run: Run) -> Meter:
    """What this process remembers of a run; the longest unwatched is forgotten."""
    # Resumed, it is measured anew.
    key = (run.id, run.running_since)
    meter = _meters.pop(key, None)
    if meter is None:
        meter = Meter()
        if run.released_at is not None and run.released_at == run.running_since:
            # Never paused: until there is a second look, the average since it began.
            meter.read({}, run.released_at.timestamp())
    _meters[key] = meter
    while len(_meters) > _MOST:
        _meters.popitem(last=False)
    return meter


_meters: OrderedDict[tuple[int, datetime | None], Meter] = OrderedDict()
_lock = threading.Lock()
