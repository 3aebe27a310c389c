"""Bringing a database to the newest schema by the migrations."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from newsletter import db, errors, revisions, settings

# Any fixed number: the key of PostgreSQL's advisory lock by which several hosts migrate one after the other.
_LOCK = 7_311_903_455
# What the models do not declare, as SQLite has no need of it.
POSTGRESQL_ONLY = {"ix_subscriber_address_key_c"}


def upgrade(url: str = "", revision: str = "head") -> bool:
    """Migrate up to `revision`; harmless twice; returns whether anything was done. Copies a SQLite file first."""
    engine = db.make_engine(url)
    try:
        with engine.connect() as connection:
            present, newest = revisions.present(connection), revisions.newest()
        if present is not None and present not in {script.revision for script in _scripts().walk_revisions()}:
            raise errors.ConfigurationError(
                "The database was made by a newer version of this program. Install that version."
            )
        if present == newest and revision == "head":
            return False
        if present is not None:
            _copy_sqlite(engine)
        _run(engine, lambda config: command.upgrade(config, revision))
        return True
    finally:
        engine.dispose()


def downgrade(url: str = "", revision: str = "base") -> None:
    """Migrate down to `revision`."""
    engine = db.make_engine(url)
    try:
        _run(engine, lambda config: command.downgrade(config, revision))
    finally:
        engine.dispose()


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether the models answer for a thing of the database (Alembic's include_name); procrastinate's tables do not."""
    if kind == "index":
        return name not in POSTGRESQL_ONLY
    return kind != "table" or not (name or "").startswith("procrastinate_")


def _run(engine: Engine, act: Callable[[Config], None]) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
        try:
            config = _config()
            config.attributes["connection"] = connection
            act(config)
            connection.commit()
        finally:
            if engine.dialect.name == "postgresql":
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
                connection.commit()


def _config() -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(settings.ROOT / "migrations"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _copy_sqlite(engine: Engine) -> None:
    # SQLite's DDL is not transactional under Alembic's batches: a broken upgrade is undone by the copy.
    if engine.dialect.name == "sqlite" and engine.url.database:
        path = Path(engine.url.database)
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
            shutil.copy2(path, path.with_suffix(path.suffix + ".before-upgrade"))
