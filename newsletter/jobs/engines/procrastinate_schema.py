"""Procrastinate's tables in our database: made by its schema, carried along by its upgrade scripts."""

from importlib import resources
from typing import Any

from procrastinate.schema import SchemaManager

# The newest upgrade script of the pinned release. A newer pin needs a migration of ours that calls `carry`.
NEWEST = "03.04.00_50_post_add_retry_failed_job_procedure.sql"


def carry(connection: Any) -> None:
    """Bring the tables of a psycopg connection's database to the installed release, within its transaction.

    A database without them gets the whole schema, which is the newest. How far one has come stands in a comment on its
    jobs table, so that only the scripts after that are run, wherever it began.
    """
    present = connection.execute(_READ_COMMENT).fetchone()[0]
    scripts = resources.files("procrastinate.sql.migrations")
    if present is None:
        connection.execute(SchemaManager.get_schema())
    else:
        for name in sorted(each.name for each in scripts.iterdir() if each.name.endswith(".sql")):
            if name > present:
                connection.execute((scripts / name).read_text(encoding="utf-8"))
    connection.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{NEWEST}'")


def drop(connection: Any) -> None:
    """Take everything of procrastinate out of the database."""
    connection.execute(_DROP)


_READ_COMMENT = "SELECT obj_description(to_regclass('procrastinate_jobs'), 'pg_class')"

_DROP = """
    DO $$ DECLARE found record; BEGIN
        DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers
              CASCADE;
        FOR found IN SELECT oid::regprocedure AS name FROM pg_proc WHERE proname LIKE 'procrastinate\\_%'
                     AND pronamespace = current_schema()::regnamespace LOOP
            EXECUTE 'DROP FUNCTION ' || found.name || ' CASCADE';
        END LOOP;
        DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_event_type, procrastinate_job_status;
    END $$
"""
