"""The ordinary round on PostgreSQL, by libpq's own functions; see rounds."""

import re
import select
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from newsletter import clock, settings
from newsletter.outbox import ledger, rounds, sql
from newsletter.outbox.rounds import Sent, Trial, Written


class ByPostgresql:
    """The server works while we serve the connections: libpq's own functions, as psycopg would wait (psycopg.pq).

    One prepared statement, outside a transaction block, is a transaction of its own: one round trip instead of three.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._libpq: PGconn | None = None

    @property
    def fileno(self) -> int | None:
        return self._libpq.socket if self._libpq is not None else None

    def begin(self, worker_id: int, sent: Sequence[Sent], asked: Sequence[int], trials: Sequence[Trial] = ()) -> None:
        ids, codes, said = zip(*sent, strict=True) if sent else ((), (), ())
        now = clock.now().isoformat()
        runs, numbers = zip(*trials, strict=True) if trials else ((), ())
        replies = _array(map(_quoted, said))
        arrays = [_array(ids), _array(codes), replies, _array(asked), _array(runs), _array(numbers)]
        values = [str(worker_id), now, str(settings.current().breaker_sample), *arrays]
        try:
            self._libpq = self._libpq or self._open()
            self._libpq.send_query_prepared(_NAME, [value.encode() for value in values])
            while self._libpq.flush():
                _wait(self._libpq, select.POLLOUT)
        except psycopg.Error as error:
            raise self._failed(error) from error

    def is_over(self) -> bool:
        try:
            if self._libpq is not None:
                self._libpq.consume_input()
                return not self._libpq.is_busy()
        except psycopg.Error as error:
            raise self._failed(error) from error
        return True

    def result(self) -> Written:
        assert self._libpq is not None  # noqa: S101 - for the type checker: it was begun
        while not self.is_over():
            _wait(self._libpq, select.POLLIN)
        try:
            found = _only(self._libpq)
        except psycopg.Error as error:
            raise self._failed(error) from error
        sent, granted = found.get_value(0, 0), found.get_value(0, 1)
        return Written(int(sent or 0), {int(each) for each in (granted or b"{}")[1:-1].split(b",") if each})

    def close(self) -> None:
        rounds.give_back(self._connection)
        self._connection = self._libpq = None

    def _open(self) -> PGconn:
        connection = self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        prepared = driver.pgconn.prepare(_NAME, SENT_AND_INTENDED.encode())
        if prepared.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(prepared)
        return driver.pgconn

    def _failed(self, error: psycopg.Error) -> OperationalError:
        self.close()
        return OperationalError("an ordinary round", None, error)


def _wait(libpq: PGconn, event: int) -> None:
    waiting = select.poll()
    waiting.register(libpq.socket, event)
    waiting.poll()


def _only(libpq: PGconn) -> PGresult:
    """The one result of a statement; libpq ends each with None."""
    found: PGresult | None = None
    while (result := libpq.get_result()) is not None:
        found = result
    if found is None:
        raise psycopg.OperationalError("the database said nothing")
    if found.status != ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(found)
    return found


def _array(values: Any) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _quoted(value: str) -> str:
    """A text as an element of an array in text form (PostgreSQL 8.15.6)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_NAME = b"ordinary_round"
_PLACES = ("worker", "now", "most", "sent", "codes", "said", "ids", "runs", "numbers")

# Ends and beginnings are different rows: that both see the same snapshot takes nothing away.
_BOTH = """
    WITH ended AS (
        UPDATE message SET state = 'sent', claimed_by = NULL, attempts = attempts + 1, last_phase = 'dot',
               last_code = told.code, last_reply = told.reply, settled_at = CAST(:now AS timestamptz)
        FROM unnest(CAST(:sent AS bigint[]), CAST(:codes AS int[]), CAST(:said AS text[])) AS told(id, code, reply)
        WHERE message.id = told.id AND message.id = ANY(:sent) AND {ours} AND state = 'sending'
        RETURNING message.id
    ), tried AS ({tried}), begun AS ({begun})
    SELECT (SELECT count(*) FROM ended), (SELECT array_agg(id) FROM begun)
"""
_TOLD = "FROM unnest(CAST(:runs AS int[]), CAST(:numbers AS int[])) AS told(run, number)"
SENT_AND_INTENDED = re.sub(
    r"(?<!:):(\w+)",
    lambda found: f"${_PLACES.index(found[1]) + 1}",
    _BOTH.format(
        ours=sql.OURS,
        tried=rounds.TRYING.format(number="told.number", told=_TOLD, run="told.run", most="CAST(:most AS int)"),
        begun=ledger.INTEND["postgresql"],
    ),
)
