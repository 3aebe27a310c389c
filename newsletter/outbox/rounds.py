"""The ordinary round: outcomes and intents of all connections in one transaction, by the driver itself.

It runs hundreds of times a second; through SQLAlchemy it cost three times as much (1.24 ms against 0.45 ms on SQLite).
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from newsletter import clock
from newsletter.outbox import ledger, sql

Sent = tuple[int, int, str]  # a message's id, the code and the words of the reply


class Rounds:
    """Writes rounds over one connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._write: _Write = {"sqlite": _by_sqlite, "postgresql": _by_postgresql}[engine.dialect.name]

    def write(self, worker_id: int, sent: Sequence[Sent], asked: Sequence[int]) -> tuple[int, set[int]]:
        """Mark messages as sent and others as leaving, like `ledger.intend`, and commit.

        Returns how many were marked as sent (those this worker no longer holds are left alone), and the ids whose body
        may be written. Raises OperationalError when the database did not say that it did so.
        """
        try:
            connection = self._connection = self._connection or self._open()
            return self._write(connection.connection.driver_connection, worker_id, sent, asked)
        except self._engine.dialect.loaded_dbapi.Error as error:
            self.close()
            raise OperationalError("an ordinary round", None, error) from error

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _open(self) -> Connection:
        connection = self._engine.connect()
        if connection.dialect.name == "postgresql":
            # A single statement is a transaction of its own, in one round trip instead of three.
            return connection.execution_options(isolation_level="AUTOCOMMIT")
        with connection.begin():
            """The engine's own begin makes sure that it may write."""
        return connection


_Write = Callable[[Any, int, Sequence[Sent], Sequence[int]], tuple[int, set[int]]]


def _by_sqlite(driver: Any, worker_id: int, sent: Sequence[Sent], asked: Sequence[int]) -> tuple[int, set[int]]:
    now = clock.now().astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")  # as db.UtcDateTime stores it
    cursor = driver.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    try:
        count, granted = 0, set()
        if sent:
            rows = [(code, reply, now, message_id, worker_id) for message_id, code, reply in sent]
            count = cursor.executemany(_SENT, rows).rowcount
        if asked:
            values = {"ids": json.dumps(asked), "worker": worker_id}
            granted = {row[0] for row in cursor.execute(_INTEND, values).fetchall()}
        cursor.execute("COMMIT")
    except BaseException:
        driver.rollback()
        raise
    return count, granted


def _by_postgresql(driver: Any, worker_id: int, sent: Sequence[Sent], asked: Sequence[int]) -> tuple[int, set[int]]:
    ids, codes, said = [list(column) for column in zip(*sent, strict=True)] if sent else ([], [], [])
    values = {"worker": worker_id, "sent": ids, "codes": codes, "said": said, "ids": list(asked), "now": clock.now()}
    found = driver.execute(_SENT_AND_INTENDED, values, prepare=True).fetchall()
    granted = {message_id for message_id, is_begun in found if is_begun}
    return len(found) - len(granted), granted


_SENT = """
    UPDATE message SET state = 'sent', claimed_by = NULL, attempts = attempts + 1, last_phase = 'dot',
           last_code = ?, last_reply = ?, settled_at = ?
    WHERE id = ? AND claimed_by = ? AND state = 'sending'
"""

_INTEND = ledger.INTEND.format(among=sql.AMONG["sqlite"], suppressed=ledger.SUPPRESSED)

# Ends and beginnings are different rows: that both see the same snapshot takes nothing away.
_BOTH = """
    WITH ended AS (
        UPDATE message SET state = 'sent', claimed_by = NULL, attempts = attempts + 1, last_phase = 'dot',
               last_code = told.code, last_reply = told.reply, settled_at = :now
        FROM unnest(CAST(:sent AS bigint[]), CAST(:codes AS int[]), CAST(:said AS text[])) AS told(id, code, reply)
        WHERE message.id = told.id AND claimed_by = :worker AND state = 'sending'
        RETURNING message.id
    ), begun AS ({begun})
    SELECT id, false FROM ended UNION ALL SELECT id, true FROM begun
"""
_SENT_AND_INTENDED = re.sub(
    r":(\w+)",
    r"%(\1)s",
    _BOTH.format(begun=ledger.INTEND.format(among=sql.AMONG["postgresql"], suppressed=ledger.SUPPRESSED)),
)
