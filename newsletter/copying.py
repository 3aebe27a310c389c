"""Moves the whole service into another database: every table, in pages, counted and compared at the end."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, LargeBinary, Table, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from newsletter import db, errors, schema
from newsletter.models import TABLES
from newsletter.outbox.models import Message, Run, RunState, Worker

PAUSED = "Copied from another database. Resume it when the copy was checked and nothing runs on the other one any more."

_PAGE = 1000  # rows of one statement
_HEAVY_PAGE = 20  # the same where a row holds a picture or an edition


def copy(url: str, told: Callable[[str, int], None] = lambda _name, _count: None) -> dict[str, int]:
    """Copy the database of the settings into an empty one; how many rows each table has. Issues under way are paused.

    One snapshot is read and one transaction written: a copy that fails leaves the target empty. `told` hears of each
    table when it is done. Raises Conflict while workers are at it here, or when the target holds anything already.
    """
    target = _open(url)
    try:
        with _snapshot() as source, target.begin() as connection:
            _require_rest(source)
            return _copy(source, connection, told)
    finally:
        target.dispose()


@contextlib.contextmanager
def _snapshot() -> Iterator[Connection]:
    """A connection to the database of the settings that reads it as it is now, however long that takes."""
    with db.extension.engine.connect() as source:
        with db.reading():
            source.begin()
        if source.dialect.name == "postgresql":
            source.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        yield source


def _open(url: str) -> Engine:
    """The target, brought to the newest schema; raises ConfigurationError or Conflict in words."""
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise errors.ConfigurationError("The other database's URL must begin with sqlite:/// or postgresql+psycopg://.")
    try:
        schema.upgrade(url)
    except OperationalError as error:
        reason = str(error.orig).strip().split("\n")[0]
        raise errors.ConfigurationError(f"The other database cannot be reached: {reason}.") from None
    return db.make_engine(url)


def _require_rest(source: Connection) -> None:
    """What a worker holds may be leaving at this moment: the copy could not know what became of it."""
    at_work = select(func.count(Worker.id)).where(Worker.ended_at.is_(None))
    held = select(func.count(Message.id)).where(Message.claimed_by.is_not(None))
    if source.execute(held).scalar_one() or source.execute(at_work).scalar_one():
        raise errors.Conflict(
            "A worker is at work, or ended without a word. Stop everything, then run: flask newsletter tick"
        )


def _copy(source: Connection, target: Connection, told: Callable[[str, int], None]) -> dict[str, int]:
    for table in TABLES.sorted_tables:
        if target.execute(select(table).limit(1)).first() is not None:
            raise errors.Conflict(f"The other database is not empty: it has rows in {table.name}.")
    counts = {}
    for table in TABLES.sorted_tables:
        for page in _pages(source, table):
            target.execute(insert(table), page)
        counts[table.name] = _compare(source, target, table)
        told(table.name, counts[table.name])
    _count_on(target)
    under_way = update(Run).where(Run.state == RunState.RUNNING, ~Run.is_stream)
    target.execute(under_way.values(state=RunState.PAUSED, paused_reason=PAUSED))
    return counts


def _pages(source: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    size = _HEAVY_PAGE if any(isinstance(column.type, LargeBinary) for column in table.columns) else _PAGE
    rows = source.execute(select(table), execution_options={"yield_per": size})
    for page in rows.mappings().partitions():
        yield [dict(row) for row in page]


def _compare(source: Connection, target: Connection, table: Table) -> int:
    """How many rows the table has on both sides; raises NewsletterError where any differs."""
    (count, there), (copied, here) = (_fingerprint(each, table) for each in (source, target))
    if there != here:
        raise errors.NewsletterError(
            f"The table {table.name} came out different: {count} rows here, {copied} there. Nothing is kept."
        )
    return count


def _fingerprint(connection: Connection, table: Table) -> tuple[int, int]:
    """The number of rows, and the sum of their digests: the two databases need not agree on an order of texts."""
    count, total = 0, 0
    for page in _pages(connection, table):
        for row in page:
            said = json.dumps(_plain(row.values()), default=repr, sort_keys=True)
            total += int.from_bytes(hashlib.sha256(said.encode()).digest(), "big")
        count += len(page)
    return count, total


def _plain(values: Iterable[Any]) -> list[Any]:
    return [hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value for value in values]


def _count_on(target: Connection) -> None:
    """Have PostgreSQL number new rows after the copied ones; SQLite does so by itself."""
    if target.dialect.name != "postgresql":
        return
    for table in TABLES.sorted_tables:
        for column in table.primary_key.columns:
            named = {"table": table.name, "column": column.name}
            sequence = target.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), named).scalar()
            if sequence is not None:
                newest = target.execute(select(func.max(column))).scalar()
                target.execute(
                    text("SELECT setval(:sequence, :value, :is_used)"),
                    {"sequence": sequence, "value": newest or 1, "is_used": newest is not None},
                )
