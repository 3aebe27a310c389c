"""The engine of many machines: what happens when its database, its worker or its connections go away."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib import resources

import psycopg
import pytest
from sqlalchemy import text

from newsletter import db, factory, jobs, schema, settings
from newsletter.jobs import registry
from newsletter.jobs.engines import procrastinate_schema, procrastinate_worker
from tests import postgres
from tests.jobs.working import PATIENCE, Work, quick, somebody, until

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def configured(configured):
    return quick(configured, "procrastinate")


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work("test_work", registry.ISSUES)
    yield made
    del registry._jobs[made.name]


def defer(work: Work, *numbers: int) -> None:
    for number in numbers:
        jobs.defer(work.name, number=number)
    db.session.commit()


def test_the_pinned_release_has_no_upgrade_script_a_migration_has_not_carried():
    scripts = [each.name for each in resources.files("procrastinate.sql.migrations").iterdir()]
    newest = max(name for name in scripts if name.endswith(".sql"))
    assert newest == procrastinate_schema.NEWEST, "the pin moved: a new migration is to call procrastinate_schema.carry"


@on_postgresql
def test_an_older_schema_is_carried_along_by_the_scripts_it_has_not_seen(room, database_url):
    made_by_us = _things(db.session.connection().connection.driver_connection)
    schema.downgrade(database_url)
    older = "03.03.00_01_pre_priority_lock_fetch_job.sql"
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        assert _things(connection) == set()
        for script in sorted(resources.files("procrastinate.sql.migrations").iterdir(), key=lambda each: each.name):
            if script.name.endswith(".sql") and script.name <= older:
                connection.execute(script.read_text())
        connection.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{older}'")
        assert _things(connection) != made_by_us
        for _ in range(2):  # the second finds nothing left to run
            procrastinate_schema.carry(connection)
            assert _things(connection) == made_by_us


def _things(connection):
    """Procrastinate's functions and columns."""
    functions = "SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'procrastinate%'"
    columns = (
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_name LIKE 'procrastinate%'"
    )
    return {name for (name,) in [*connection.execute(functions), *connection.execute(columns)]}


@on_postgresql
def test_many_who_defer_the_same_job_at_once_write_it_once(room, work):
    barrier = threading.Barrier(8)

    def one():
        with room.app_context():
            barrier.wait(PATIENCE)
            defer(work, 1)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert db.session.execute(text("SELECT count(*) FROM procrastinate_jobs")).scalar() == 1


@on_postgresql
def test_a_worker_that_hangs_gives_its_process_up(room, monkeypatch):
    hung, stop = threading.Event(), threading.Event()
    monkeypatch.setattr(procrastinate_worker._Watchdog, "beat", lambda self: None)  # nothing is ever heard
    settings.use(dataclasses.replace(settings.current(), job_silence=timedelta(seconds=1)))
    thread = threading.Thread(target=procrastinate_worker.run, args=(room, stop), kwargs={"give_up": hung.set})
    thread.start()
    assert hung.wait(PATIENCE)
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.skipif(postgres.binaries() is None, reason=postgres.MISSING)
@pytest.mark.parametrize("at_once", [False, True])
def test_jobs_go_on_after_the_database_restarts(configured, work, at_once, tmp_path):
    with postgres.private() as server:
        settings.use(settings.load({"NEWSLETTER_INSTANCE": str(tmp_path), "NEWSLETTER_DATABASE_URL": server.url}))
        settings.use(quick(settings.current(), "procrastinate"))
        schema.upgrade(server.url)
        app = factory.create_app(settings.current())
        with app.app_context(), somebody(app):
            defer(work, 1)
            work.wait_for(1)
            for number in (2, 3):
                db.session.remove()
                server.stop(at_once=at_once)
                time.sleep(1.5)
                server.start()
                defer(work, number)
                until(lambda number=number: number in work.numbers, what="a job after the restart")
            assert work.numbers == [1, 2, 3]
        with app.app_context():
            db.extension.engine.dispose()


@on_postgresql
def test_what_a_killed_worker_was_at_is_deferred_anew(room, configured, database_url, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")} | {
        "NEWSLETTER_INSTANCE": str(tmp_path),
        "NEWSLETTER_DATABASE_URL": database_url,
        "NEWSLETTER_ENGINE": "procrastinate",
    }
    command = [sys.executable, "-m", "flask", "--app", "newsletter.factory", "newsletter", "jobs"]
    process = subprocess.Popen(command, cwd=settings.ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: _count("procrastinate_workers") == len(registry.QUEUES), what="the worker's start")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    jobs.defer("fetch_pictures")
    db.session.execute(
        text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)")
    )
    db.session.commit()
    assert jobs.sweep() == 0  # it was alive a moment ago
    db.session.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'"))
    assert jobs.sweep() == 1
    jobs.defer("fetch_pictures")
    db.session.commit()
    with somebody(room):
        until(lambda: _count("procrastinate_jobs") == 0, what="the job's second chance")


@on_postgresql
def test_a_worker_stops_at_once_when_told_and_leaves_no_trace(room, database_url, tmp_path):
    with somebody(room):
        until(lambda: _count("procrastinate_workers") == len(registry.QUEUES), what="the worker's start")
        began_at = time.monotonic()
    assert time.monotonic() - began_at < 10
    assert _count("procrastinate_workers") == 0
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'"
        assert connection.execute(others).fetchone() == (0,)


def _count(table: str) -> int:
    db.session.rollback()
    found = db.session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    db.session.rollback()
    return int(found)
