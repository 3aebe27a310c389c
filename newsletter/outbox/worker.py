"""The delivery process: drains the outbox by the transport of the settings."""

import contextlib
import functools
import gc
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from flask import Flask, current_app

from newsletter import db, errors, settings
from newsletter.outbox import composers, drain
from newsletter.outbox.transports import choice


def run(stop: threading.Event, *, until_empty: bool = False) -> Counter[str]:
    """Work the outbox until `stop` is set, or (until_empty) until nothing is due and nobody holds a claim.

    Runs in an application context, for the composers; owns its transactions. Returns how many messages went to which
    state. Raises NewsletterError when until_empty ends because the mail server or the database cannot be reached.
    """
    transport = choice.choose(settings.current())
    engine = db.make_engine()
    try:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        work = drain.Drain(engine, transport, compose=functools.partial(_compose, app))
        with _collecting_rarely(), _taking_turns():
            counts = work.run(until_empty=until_empty, stop=stop)
    finally:
        engine.dispose()
    if work.trouble:
        raise errors.NewsletterError(work.trouble)
    return counts


@contextlib.contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Messages leave nothing behind that only the search for cycles would find, which takes 6 % of a worker's time."""
    before = gc.get_threshold()
    gc.set_threshold(settings.current().garbage_objects, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _taking_turns() -> Iterator[None]:
    """Who makes a page keeps the connections waiting for no longer than a moment: Python's own 5 ms are 25 messages."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(settings.current().thread_turn.total_seconds())
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _compose(app: Flask, rows: Sequence[composers.Row]) -> Sequence[composers.Draft | composers.Skipped]:
    # In a context, and so with a session, of its own: a page may be made beside everything else.
    with app.app_context(), db.reading():
        return composers.compose(rows)
