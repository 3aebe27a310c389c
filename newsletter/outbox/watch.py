"""Tells an idle worker when it is worth looking into the database."""

import select
import time
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from newsletter import settings

log = structlog.get_logger()

# What becomes due by time alone (a deferred message) is noticed after this.
_AT_LEAST_EVERY = 1.0
# A connection for listening that broke is opened anew after this many seconds; until then the watch polls.
_RELISTEN = 5.0

_CHANNEL = "newsletter_outbox"


def wake(connection: Connection) -> None:
    """Have idle workers look once this transaction commits: NOTIFY on PostgreSQL; on SQLite they see the commit."""
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY, {"channel": _CHANNEL})


class Watch:
    """On SQLite a counter of other connections' commits, at 2 us a look; on PostgreSQL what LISTEN hears.

    Where neither can be had, because the connection broke, it is time alone: a look every outbox_poll.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None
        self._seen = -1
        self._looked_at = self._listened_at = float("-inf")
        self._poll = settings.current().outbox_poll.total_seconds()
        self._is_listener = engine.dialect.name == "postgresql"

    def is_worth_a_look(self) -> bool:
        """Whether something may have changed since this was last true. Never waits."""
        waited = time.monotonic() - self._looked_at
        is_new = self._has_heard(waited) if self._is_listener else self._has_counted(waited)
        if is_new or waited >= _AT_LEAST_EVERY:
            self._looked_at = time.monotonic()
            return True
        return False

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _has_counted(self, waited: float) -> bool:
        if waited < self._poll:
            return False
        before, self._seen = self._seen, self._version()
        return self._seen != before

    def _version(self) -> int:
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            return int(self._connection.cursor().execute("PRAGMA data_version").fetchone()[0])
        except (DBAPIError, self._engine.dialect.loaded_dbapi.Error):
            return self._seen + 1

    def _has_heard(self, waited: float) -> bool:
        if self._connection is None:
            return self._listen() or waited >= self._poll
        if not select.select([self._connection.fileno()], [], [], 0)[0]:
            return False
        try:
            return len(list(self._connection.notifies(timeout=0))) > 0
        except self._engine.dialect.loaded_dbapi.Error:
            log.warning("outbox_watch_lost")
            self.close()
            return True

    def _listen(self) -> bool:
        """Open a connection that listens; True when it did: what was said before is not heard, so look."""
        if time.monotonic() - self._listened_at < _RELISTEN:
            return False
        self._listened_at = time.monotonic()
        driver = self._engine.dialect.loaded_dbapi
        try:
            arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
            self._connection = driver.connect(*arguments, **{**options, "autocommit": True, "connect_timeout": 2})
            self._connection.execute(f"LISTEN {_CHANNEL}")
        except driver.Error:
            self.close()
            return False
        return True


_NOTIFY = text("SELECT pg_notify(:channel, '')")
