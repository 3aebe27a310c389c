"""How far a database's schema has come, and how far it can: told without Alembic, which only migrating needs."""

from sqlalchemy import Connection, inspect, text

from newsletter import settings


def is_current(connection: Connection) -> bool:
    """Whether the database has the newest schema."""
    return present(connection) == newest()


def present(connection: Connection) -> str | None:
    """The revision a database is at; None before the first migration."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def newest() -> str:
    """The revision of the last migration: they are numbered, and their files named for them."""
    names = (file.name for file in (settings.ROOT / "migrations" / "versions").glob("[0-9]*_*.py"))
    return max(names).partition("_")[0]
