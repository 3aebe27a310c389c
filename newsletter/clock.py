"""What time it is: the one place that asks the machine."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return _standing.get() or datetime.now(UTC)


@contextlib.contextmanager
def standing_at(instant: datetime) -> Iterator[None]:
    """Within this block it is `instant`: for telling a past that the rooms' own rules have made."""
    token = _standing.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _standing.reset(token)


_standing: ContextVar[datetime | None] = ContextVar("standing", default=None)
