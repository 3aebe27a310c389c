"""SQL written out, with the parameters typed by their names.

Message states stand in it as literals: as bound parameters PostgreSQL stops using the partial indexes after five
runs (0.28 ms -> 104 ms a query, measured).
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, TextClause, bindparam, func, select, text

from newsletter import clock
from newsletter.db import UtcDateTime

_LISTS = {"ids", "workers", "kinds"}
_TIMES = {"now", "limit_at"}


# How a statement that runs thousands of times names many rows without changing its text.
AMONG = {"sqlite": "IN (SELECT value FROM json_each(:ids))", "postgresql": "= ANY(:ids)"}

# Whether a message named by its id is held by this worker, in words that no index of claimed_by fits. PostgreSQL last
# looked when nobody held anything; it would take that index, and read all that this worker holds or held at every
# statement (a round of 24 messages beside 20,000 claimed: 5 ms, by the primary key 1 ms).
OURS = "coalesce(claimed_by, 0) = :worker"


def listed(dialect: str, ids: Sequence[int]) -> Any:
    """The value of `:ids` in a statement with AMONG."""
    return json.dumps(list(ids)) if dialect == "sqlite" else list(ids)


def statement(written: str, **fragments: str) -> TextClause:
    """An executable statement: `:ids`, `:workers`, `:kinds` take lists, `:now` and `:limit_at` instants.

    `{name}` in it stands for a fragment of SQL of our own, `{ours}` for OURS.
    """
    written = written.format(ours=OURS, **fragments)
    names = set(re.findall(r"(?<!:):([a-z_]+)", written))
    expanding = {name for name in names & _LISTS if re.search(rf"\bIN :{name}\b", written)}
    lists: list[BindParameter[Any]] = [bindparam(name, expanding=True) for name in sorted(expanding)]
    times: list[BindParameter[Any]] = [bindparam(name, type_=UtcDateTime()) for name in sorted(names & _TIMES)]
    return text(written).bindparams(*lists, *times)


def statements(written: str, **fragments: str) -> dict[str, TextClause]:
    """`statement` for each dialect; {among} in it stands for AMONG."""
    return {dialect: statement(written, among=among, **fragments) for dialect, among in AMONG.items()}


def database_now(connection: Connection) -> Any:
    """A value to be written: the time by the one clock all workers share, PostgreSQL's; SQLite has a single machine,
    whose clock is ours."""
    return func.clock_timestamp(type_=UtcDateTime()) if connection.dialect.name == "postgresql" else clock.now()


def database_time(connection: Connection) -> datetime:
    """The time by that clock."""
    now = database_now(connection)
    return now if isinstance(now, datetime) else connection.execute(select(now)).scalar_one()
