"""What every engine of background jobs promises, held against all of them on the databases they work with."""

import contextlib
import threading
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from newsletter import db, errors, jobs, settings
from newsletter.articles import polling
from newsletter.articles.models import Feed
from newsletter.issues import composing, lifecycle, runs
from newsletter.issues.models import Issue
from newsletter.jobs import registry
from newsletter.outbox.models import RunState
from newsletter.scheduler import main, tick
from tests.issues.world import article, magazine, newsletter, reader
from tests.jobs.working import PATIENCE, Work, quick, somebody, until

pytestmark = pytest.mark.parametrize(
    ("database_url", "engine"),
    [("sqlite", "embedded"), ("postgresql", "embedded"), ("postgresql", "procrastinate")],
    indirect=["database_url"],
)


@pytest.fixture
def configured(configured, engine):
    return quick(configured, engine)


@pytest.fixture
def work(room):
    """A job of the issues' queue."""
    made = Work("test_work", registry.ISSUES)
    yield made
    del registry._jobs[made.name]


def defer(work: Work, *numbers: int) -> None:
    for number in numbers:
        jobs.defer(work.name, number=number)
    db.session.commit()


def test_a_job_is_done_once_its_transaction_commits_and_not_before(room, work):
    with somebody(room):
        jobs.defer(work.name, number=1)
        time.sleep(0.3)
        assert work.numbers == []
        db.session.commit()
        work.wait_for(1)


def test_a_job_of_a_transaction_that_rolled_back_is_never_done(room, work):
    with somebody(room):
        jobs.defer(work.name, number=1)
        db.session.rollback()
        defer(work, 2)
        work.wait_for(2)


def test_the_same_job_waits_once_and_runs_after_itself_never_beside(room, work):
    begun, go_on = threading.Event(), threading.Event()

    def act(number):
        begun.set()
        go_on.wait(PATIENCE)

    work.act = act
    with somebody(room):
        defer(work, 1)
        assert begun.wait(PATIENCE)
        defer(work, 1, 1, 2)
        until(lambda: 2 in work.numbers, what="the other number's turn")
        assert sorted(work.numbers) == [1, 2]
        go_on.set()
        time.sleep(0.3)
        begun.clear()
        defer(work, 1)
        assert begun.wait(PATIENCE)
    assert sorted(work.numbers) == [1, 1, 2]


def test_a_job_that_fails_is_tried_again_after_a_growing_wait(room, work):
    def act(number):
        if len(work.done) < 3:
            raise RuntimeError("out of luck")

    work.act = act
    with somebody(room):
        defer(work, 1)
        work.wait_for(1, 1, 1)
    first, second, third = (moment for _, moment in work.done)
    assert third - second > 0.1  # twice the first wait
    assert second - first > 0.05


def test_a_job_that_always_fails_is_left_to_the_tick(room, work):
    work.act = lambda number: 1 / 0
    with somebody(room):
        defer(work, 1)
        work.wait_for(1, 1, 1)
        defer(work, 1)
        work.wait_for(1, 1, 1, 1, 1, 1)


def test_a_refusal_in_words_is_an_answer_and_not_tried_again(room, work):
    def refuse(number):
        raise errors.Conflict("The issue was changed.")

    work.act = refuse
    with somebody(room):
        defer(work, 1)
        work.wait_for(1)
        defer(work, 1)
        work.wait_for(1, 1)


def test_a_slow_feed_delays_no_issue(room, work):
    slow, go_on = Work("test_slow", registry.FEEDS), threading.Event()
    slow.act = lambda number: go_on.wait(PATIENCE) and None
    try:
        with somebody(room):
            defer(slow, *range(20))
            until(lambda: slow.done, what="the first feed")
            defer(work, 1)
            work.wait_for(1)
            assert len(slow.done) == settings.current().feed_connections
            go_on.set()
            until(lambda: len(slow.done) == 20, what="the last feed")
    finally:
        del registry._jobs[slow.name]


def test_stopping_waits_for_what_runs_and_leaves_what_waits_in_the_rows(room, work):
    begun, finished = threading.Event(), []

    def act(number):
        begun.set()
        time.sleep(0.5)
        finished.append(number)

    work.act = act
    with somebody(room):
        defer(work, *range(20))
        assert begun.wait(PATIENCE)
    assert sorted(finished) == sorted(work.numbers)
    assert len(finished) < 20


_TAKEN = """
    UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)
"""


@contextlib.contextmanager
def _lost(engine):
    """A worker that dies with whatever was deferred to it: nobody is left to do it."""
    yield
    if engine == "procrastinate":
        db.session.execute(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')")
        )
        db.session.execute(text(_TAKEN))
        db.session.commit()


def test_a_lost_job_is_found_again_by_the_tick(room, engine, monkeypatch):
    polled = []

    def poll(feed_id):
        db.session.get_one(Feed, feed_id).next_fetch_at = datetime(2099, 1, 1, tzinfo=UTC)
        db.session.commit()
        polled.append(feed_id)
        return polling.Report(feed_id)

    monkeypatch.setattr(polling, "poll", poll)
    now = datetime.now(UTC)
    feed = Feed(url="http://127.0.0.1/feed", next_fetch_at=now, created_at=now, mappings=[])
    db.session.add(feed)
    db.session.flush()
    with _lost(engine):
        jobs.defer("fetch_feed", feed_id=feed.id)
        db.session.commit()
    with somebody(room):
        tick.tidy(tick.Report())
        tick.defer_feeds(tick.Report())
        until(lambda: polled, what="the poll")
        tick.defer_feeds(tick.Report())
        time.sleep(0.3)
    assert polled == [feed.id]


def test_an_issue_that_is_due_now_leaves_within_the_tick_interval(room, engine):
    magazine()
    made = newsletter("hand")
    reader("music", of=made)
    article("music", ready_at=datetime.now(UTC))
    issue = composing.compose(made)
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    issue_id, stop = issue.id, threading.Event()

    def schedule():
        with room.app_context():
            main.run(stop)

    scheduler = threading.Thread(target=schedule)
    others = contextlib.nullcontext() if engine == "embedded" else somebody(room)
    with others:
        scheduler.start()
        try:
            time.sleep(1)
            lifecycle.send_now(db.session.get_one(Issue, issue_id), actor="ed")
            jobs.defer("release", issue_id=issue_id)
            db.session.commit()
            began_at = time.monotonic()
            until(lambda: _is_running(issue_id), what="the release")
            took = time.monotonic() - began_at
        finally:
            stop.set()
            scheduler.join(PATIENCE)
    # Half a second on a machine at rest; the rest is for one on which twenty processes want a core.
    assert took < settings.current().tick_interval.total_seconds() + 20


def _is_running(issue_id: int) -> bool:
    db.session.rollback()
    with db.reading():
        run = runs.find(db.session.get_one(Issue, issue_id))
        is_running = run is not None and run.state is RunState.RUNNING
    db.session.rollback()
    return is_running
