"""The watch of an idle worker: it hears of new messages at once, and goes on when its connection breaks."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from newsletter import db, settings
from newsletter.outbox import queue, watch
from newsletter.outbox.models import Policy
from newsletter.outbox.watch import Watch
from tests.conftest import both_engines

DAY = timedelta(days=1)


@pytest.fixture
def watching(room):
    """A watch on an engine of its own, that has looked already."""
    engine = db.make_engine()
    made = Watch(engine)
    made.is_worth_a_look()
    time.sleep(settings.current().outbox_poll.total_seconds())
    made.is_worth_a_look()
    yield made
    made.close()
    engine.dispose()


def hears(watching: Watch, within: float = 0.5) -> float | None:
    """The seconds until a look was worth it; None if it was not."""
    began_at = time.monotonic()
    while time.monotonic() - began_at < within:
        if watching.is_worth_a_look():
            return time.monotonic() - began_at
        time.sleep(0.005)
    return None


def ask(number: int = 1) -> None:
    queue.enqueue("confirmation", recipient_id=number, address=f"asker{number}@readers.example", lifetime=DAY)


@both_engines
def test_what_was_enqueued_released_or_resumed_is_heard_of_at_its_commit(watching):
    ask()
    assert hears(watching, within=0.3) is None
    db.session.commit()
    assert hears(watching) is not None
    run = queue.open_run("issue", 1, policy=Policy.HOLD, lifetime=DAY)
    queue.add(run, [queue.Planned(1, "reader1@readers.example")])
    db.session.commit()
    hears(watching, within=0.3)
    queue.release(run)
    db.session.commit()
    assert hears(watching) is not None
    queue.pause(run, "to try it")
    db.session.commit()
    hears(watching, within=0.3)
    queue.resume(run)
    db.session.commit()
    assert hears(watching) is not None


@both_engines
def test_what_was_rolled_back_is_never_heard_of(watching):
    ask()
    db.session.rollback()
    assert hears(watching, within=0.5) is None


@both_engines
def test_time_alone_makes_a_look_worth_it(watching):
    assert hears(watching, within=1.5) is not None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_broken_connection_means_polling_until_it_is_there_again(watching, monkeypatch):
    listening = "pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    db.session.execute(text(f"SELECT pg_terminate_backend(pid) FROM {listening}"))
    db.session.commit()
    assert hears(watching) is not None
    monkeypatch.setattr(watch, "_RELISTEN", 1.0)
    monkeypatch.setattr(watching, "_listened_at", time.monotonic())
    assert sum(hears(watching, within=0.2) is not None for _ in range(3)) == 3
    time.sleep(1.0)
    hears(watching)
    ask()
    db.session.commit()
    assert hears(watching) is not None
