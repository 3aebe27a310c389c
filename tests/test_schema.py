"""The migrations: up, down, up again on both databases, and true to the models."""

import sqlite3

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from newsletter import db, errors, revisions, schema
from newsletter.models import TABLES
from tests.conftest import both_engines


def _tables(url: str) -> set[str]:
    engine = db.make_engine(url)
    with engine.connect() as connection:
        found = set(sqlalchemy.inspect(connection).get_table_names())
    engine.dispose()
    return found


@both_engines
def test_the_migrations_go_down_and_up_again_and_end_where_the_models_are(configured, database_url):
    schema.downgrade(database_url)
    assert _tables(database_url) <= {"alembic_version"}
    assert schema.upgrade(database_url)
    assert not schema.upgrade(database_url)
    engine = db.make_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": schema.is_ours})
        assert compare_metadata(context, TABLES) == []
    engine.dispose()


def test_the_newest_revision_read_from_the_files_is_the_one_alembic_would_migrate_to(configured, database_url):
    assert revisions.newest() == schema._scripts().get_current_head()
    engine = db.make_engine(database_url)
    with engine.connect() as connection:
        assert revisions.is_current(connection)
        assert revisions.present(connection) == MigrationContext.configure(connection).get_current_revision()
    schema.downgrade(database_url)
    with engine.connect() as connection:
        assert revisions.present(connection) is None
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused_with_a_sentence(configured, database_url):
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(errors.ConfigurationError, match="newer version"):
        schema.upgrade(database_url)
