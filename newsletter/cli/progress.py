"""A line on standard error that says how far sending is: drawn over on a terminal, else one every few seconds."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO

from flask import Flask, current_app
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError

from newsletter import db
from newsletter.outbox import tally
from newsletter.outbox.models import Run, RunState
from newsletter.outbox.progress import Figures, Meter

_LOOK = 0.5  # seconds between two looks at the database
_PLAIN_LINE = 5.0  # seconds between two lines where nothing can be drawn over
_SHARE = 0.02  # of the time may go into looking: counting what is left of a million takes a while
_WIDTH = 24  # characters of the bar

# What is being sent, and its messages counted by state; None: nothing.
Look = Callable[[], tuple[str, Mapping[str, int]] | None]


class Line:
    """Says figures on a stream."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._can_draw = self._stream.isatty()
        self._meter = Meter()
        self._said_at = time.monotonic()
        self._drawn = 0

    @property
    def pause(self) -> float:
        """Seconds between two looks that somebody may see."""
        return _LOOK if self._can_draw else _PLAIN_LINE

    def show(self, what: str, counts: Mapping[str, int], *, is_last: bool = False) -> None:
        """Draw the line, or write it when it is time for one; the last one only if there was another."""
        figures = self._meter.read(counts, time.monotonic())
        if self._can_draw:
            text = sentence(what, figures, bar=True)
            self._stream.write("\r" + text.ljust(self._drawn))
            self._drawn = len(text)
        elif time.monotonic() - self._said_at >= _PLAIN_LINE or (is_last and self._drawn):
            self._stream.write(sentence(what, figures) + "\n")
            self._said_at, self._drawn = time.monotonic(), 1
        self._stream.flush()

    def end(self) -> None:
        """Leave a drawn line standing."""
        if self._can_draw and self._drawn:
            self._stream.write("\n")
            self._stream.flush()


def sentence(what: str, figures: Figures, *, bar: bool = False) -> str:
    """Issue 4: 48 %, 1,203 a second, 0:04:10 left; 480,000 sent, 3 deferred."""
    done = int(figures.share * _WIDTH)
    drawn = f" [{'#' * done}{'-' * (_WIDTH - done)}]" if bar else ""
    parts = [f"{figures.share:.0%}".replace("%", " %"), f"{figures.rate:,.0f} a second"]
    if figures.left is None:
        parts.append("waiting")
    elif figures.left:
        parts.append(f"{timedelta(seconds=round(figures.left.total_seconds()))} left")
    counts = ", ".join(f"{number:,} {state}" for state, number in figures.by_state.items() if number)
    return f"{what}:{drawn} {', '.join(parts)}; {counts or 'no messages'}"


def pause_after(took: float, *, least: float) -> float:
    """Seconds to wait after a look at the database that took so long."""
    return max(least, took / _SHARE)


@contextmanager
def shown_beside(*, always: bool) -> Iterator[None]:
    """While this block works the outbox, say how far the issues are; unless `always`, on a terminal only."""
    if not always and not sys.stderr.isatty():
        yield
        return
    done, app = threading.Event(), current_app._get_current_object()  # type: ignore[attr-defined]
    watcher = threading.Thread(target=_watch, args=(app, done), name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=5)


def _watch(app: Flask, done: threading.Event) -> None:
    line, look = Line(), running_issues()
    with app.app_context():
        pause = 0.0
        while not done.wait(pause):
            began = time.monotonic()
            _say(line, look)
            pause = pause_after(time.monotonic() - began, least=line.pause)
        _say(line, look, is_last=True)
    line.end()


def _say(line: Line, look: Look, *, is_last: bool = False) -> None:
    try:
        with db.reading():
            db.session.rollback()
            found = look()
    except (OperationalError, InterfaceError):
        return  # whoever works the outbox says so, and waits
    finally:
        db.session.remove()
    if found is not None:
        line.show(*found, is_last=is_last)


def running_issues() -> Look:
    """A look at the issues that are, or since its first call were, under way, all together."""
    seen: dict[int, int] = {}

    def look() -> tuple[str, Mapping[str, int]] | None:
        running = select(Run.id, Run.ref).where(Run.state == RunState.RUNNING, ~Run.is_stream)
        seen.update({run.id: run.ref for run in db.session.execute(running)})
        if not seen:
            return None
        found = tally.counts_by_run(list(seen))
        total = {state: sum(counts[state] for counts in found.values()) for state in next(iter(found.values()))}
        return f"Issue {next(iter(seen.values()))}" if len(seen) == 1 else f"{len(seen)} issues", total

    return look
