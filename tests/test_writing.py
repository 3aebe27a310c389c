"""SQLite's one write lock: who waits for it finds it soon after it is free, and is told when it never is."""

import contextlib

import pytest
from sqlalchemy import exc, text

from newsletter import db


@pytest.fixture
def engines(tmp_path):
    """Two who write into one file."""
    engines = [db.make_engine(f"sqlite:///{tmp_path}/some.db") for _ in range(2)]
    with engines[0].begin() as connection:
        connection.execute(text("CREATE TABLE some (value INTEGER)"))
    yield engines
    for engine in engines:
        engine.dispose()


def test_a_writer_looks_for_the_lock_every_few_milliseconds_until_it_is_free(engines, monkeypatch):
    holder, rests = contextlib.ExitStack(), []

    def rest(seconds):
        rests.append(seconds)
        if len(rests) == 40:
            holder.close()

    monkeypatch.setattr(db.time, "sleep", rest)
    holder.enter_context(engines[0].begin())
    with engines[1].begin() as connection:
        connection.execute(text("INSERT INTO some VALUES (1)"))
        assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == 10_000
    assert len(rests) == 40
    assert max(rests) <= 0.01


def test_a_lock_that_is_never_free_is_an_error_of_the_database(engines, monkeypatch):
    monkeypatch.setattr(db, "_LOOKS", 3)
    with (
        engines[0].begin(),
        pytest.raises(exc.OperationalError, match="database is locked"),
        engines[1].begin(),
    ):
        pass
    with engines[1].begin() as connection:
        connection.execute(text("INSERT INTO some VALUES (1)"))
