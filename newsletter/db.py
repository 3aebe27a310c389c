"""Sessions and types: how rooms reach SQLite or PostgreSQL.

Rooms use `session` (Flask-SQLAlchemy's, one per application context) and flush; doors commit. The delivery process
uses Core on an engine of its own from `make_engine`.
"""

import contextlib
import enum
import sqlite3
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    CursorResult,
    Date,
    DateTime,
    Delete,
    Engine,
    Enum,
    Insert,
    Integer,
    MetaData,
    Text,
    Update,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.types import TypeDecorator, TypeEngine

from newsletter import settings


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in UTC on both sides, refused when naive."""

    impl = DateTime
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(timezone=True)

    def __repr__(self) -> str:
        return "UtcDateTime()"

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time was about to be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value: JSONB on PostgreSQL."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())


class BigId(TypeDecorator[int]):
    """A key for very many rows; SQLite numbers rows by itself only for a plain INTEGER key."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


_NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """What every model derives from."""

    # On the registry, because Flask-SQLAlchemy copies this class body and would lose a type_annotation_map in it.
    registry = registry(
        metadata=MetaData(naming_convention=_NAMES),
        type_annotation_map={
            str: Text(),
            datetime: UtcDateTime(),
            date: Date(),
            dict[str, Any]: Json(),
            list[Any]: Json(),
            enum.StrEnum: Enum(
                enum.StrEnum,
                native_enum=False,
                length=20,
                create_constraint=False,
                values_callable=lambda states: [state.value for state in states],
            ),
        },
    )


# How long SQLite waits for a lock, in milliseconds; how often we look for the one for writing, with rests in seconds.
_BUSY_TIMEOUT = 10_000
_BETWEEN_LOOKS = 0.005
_LOOKS = 2_000

extension = SQLAlchemy(model_class=Base)
session = extension.session


def init_app(app: Flask) -> None:
    """Bind `session` to the database of the current settings."""
    url = settings.current().database_url
    ensure_folder(url)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(url)
    extension.init_app(app)
    with app.app_context():
        _prepare(extension.engine)


def make_engine(url: str = "") -> Engine:
    """An engine apart from `session`, with the same habits; the caller disposes of it."""
    url = url or settings.current().database_url
    ensure_folder(url)
    engine = create_engine(url, **_engine_options(url))
    _prepare(engine)
    return engine


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Within this block new transactions refuse to write and see one moment: for GET, HEAD and `check`."""
    token = _read_only.set(True)
    try:
        yield
    finally:
        _read_only.reset(token)


_read_only: ContextVar[bool] = ContextVar("read_only", default=False)


def changed(statement: Update | Delete | Insert) -> int:
    """Have the session's transaction carry out a statement, unseen by the objects in the session; how many rows."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount


def insert(target: Any, connection: Connection | None = None) -> Any:
    """An INSERT into a model or table that may yield (`on_conflict_do_nothing`), for the session or a connection."""
    dialect = connection.dialect if connection is not None else session.get_bind().dialect
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(target)


def ensure_folder(url: str) -> None:
    """Make the folder a SQLite file is to stand in."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)


def _engine_options(url: str) -> dict[str, Any]:
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": 10, "check_same_thread": False}}
    return {"pool_pre_ping": True}


def _prepare(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _open_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _open_postgresql)
        event.listen(engine, "begin", _begin_postgresql)


def _open_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late and is DEFERRED; ours is sent by _begin_sqlite.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        "synchronous=FULL",
        f"busy_timeout={_BUSY_TIMEOUT}",
        "secure_delete=FAST",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    read_only = _read_only.get()
    if connection.info.get("is_read_only") is not read_only:
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        connection.info["is_read_only"] = read_only
    if read_only:
        connection.exec_driver_sql("BEGIN")
    else:
        _take_lock(connection)


def _take_lock(connection: Any) -> None:
    """Begin to write, as soon as nobody else does.

    SQLite's own waiting looks for the lock ever more seldom, at last ten times a second, and so never finds it in the
    rests between two pages of planning: four writers waited up to 965 ms.
    """
    # A read-then-write in a DEFERRED transaction fails at once despite the busy timeout.
    begin, driver = "BEGIN IMMEDIATE", connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout=0")
    try:
        for _ in range(_LOOKS):
            try:
                driver.execute(begin)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
                time.sleep(_BETWEEN_LOOKS)
            else:
                return
        connection.exec_driver_sql(begin)
    finally:
        driver.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")


def _open_postgresql(connection: Any, _record: Any) -> None:
    # To compile a query with many parts takes PostgreSQL 200 ms, to run any of ours far less.
    connection.execute("SET jit = off")
    connection.commit()


def _begin_postgresql(connection: Any) -> None:
    if _read_only.get():
        # One moment, as on SQLite: a page or `check` that asks twice must not see what was written in between.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
