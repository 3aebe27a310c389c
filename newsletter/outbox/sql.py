"""SQL written out, with the parameters typed by their names.

Message states stand in it as literals: as bound parameters PostgreSQL stops using the partial indexes after five
runs (0.28 ms -> 104 ms a query, measured).
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, CursorResult, TextClause, bindparam, func, select, text

from newsletter import clock
from newsletter.db import UtcDateTime

_LISTS = {"ids", "workers", "kinds"}
_TIMES = {"now", "limit_at"}


# How a statement that runs thousands of times names many rows without changing its text.
AMONG = {"sqlite": "IN (SELECT value FROM json_each(:ids))", "postgresql": "= ANY(:ids)"}


def listed(dialect: str, ids: Sequence[int]) -> Any:
    """The value of `:ids` in a statement with AMONG."""
    return json.dumps(list(ids)) if dialect == "sqlite" else list(ids)


def statement(written: str, **fragments: str) -> TextClause:
    """An executable statement: `:ids`, `:workers`, `:kinds` take lists, `:now` and `:limit_at` instants.

    `{name}` in it stands for a fragment of SQL of our own.
    """
    written = written.format(**fragments)
    names = set(re.findall(r"(?<!:):([a-z_]+)", written))
    expanding = {name for name in names & _LISTS if re.search(rf"\bIN :{name}\b", written)}
    lists: list[BindParameter[Any]] = [bindparam(name, expanding=True) for name in sorted(expanding)]
    times: list[BindParameter[Any]] = [bindparam(name, type_=UtcDateTime()) for name in sorted(names & _TIMES)]
    return text(written).bindparams(*lists, *times)


class Hot:
    """A statement that runs many times a second, handed to the driver as it is: SQLAlchemy's part of it costs more
    than the database's. Lists go in as `listed`, instants as `stored`; `{among}` stands for AMONG."""

    def __init__(self, written: str, **fragments: str) -> None:
        self._written, self._fragments = written, fragments
        self._compiled: dict[str, tuple[str, list[str]]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        """Execute it, once or (given a sequence) for each of many values."""
        written, order = self._for(connection)
        if not order:
            return connection.exec_driver_sql(written, values)
        if isinstance(values, Mapping):
            return connection.exec_driver_sql(written, tuple(values[name] for name in order))
        return connection.exec_driver_sql(written, [tuple(each[name] for name in order) for each in values])

    def _for(self, connection: Connection) -> tuple[str, list[str]]:
        name = connection.dialect.name
        if name not in self._compiled:
            among = AMONG[name] if "{among}" in self._written else ""
            compiled = text(self._written.format(among=among, **self._fragments)).compile(dialect=connection.dialect)
            self._compiled[name] = str(compiled), list(getattr(compiled, "positiontup", None) or [])
        return self._compiled[name]


def stored(dialect: str, instant: datetime) -> Any:
    """An instant as db.UtcDateTime stores it."""
    naive = instant.astimezone(UTC).replace(tzinfo=None)
    return naive.isoformat(" ", "microseconds") if dialect == "sqlite" else instant


def database_time(connection: Connection) -> datetime:
    """The one clock all workers share: PostgreSQL's; SQLite has a single machine, whose clock is ours."""
    if connection.dialect.name == "postgresql":
        return connection.execute(select(func.clock_timestamp(type_=UtcDateTime()))).scalar_one()
    return clock.now()
