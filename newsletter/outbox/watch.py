"""Tells an idle worker when it is worth looking into the database."""

import time
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from newsletter import settings

# What becomes due by time alone (a deferred message) is noticed after this.
_AT_LEAST_EVERY = 1.0


class Watch:
    """On SQLite a counter of other connections' commits, at 2 us a look; on PostgreSQL time alone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None
        self._seen = -1
        self._looked_at = float("-inf")
        self._poll = settings.current().outbox_poll.total_seconds()

    def is_worth_a_look(self) -> bool:
        """Whether something may have changed since this was last true."""
        waited = time.monotonic() - self._looked_at
        if waited < self._poll:
            return False
        present = self._version()
        if present == self._seen and waited < _AT_LEAST_EVERY:
            return False
        self._seen, self._looked_at = present, time.monotonic()
        return True

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _version(self) -> int:
        if self._engine.dialect.name != "sqlite":
            return self._seen + 1
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            return int(self._connection.cursor().execute("PRAGMA data_version").fetchone()[0])
        except (DBAPIError, self._engine.dialect.loaded_dbapi.Error):
            return self._seen + 1
