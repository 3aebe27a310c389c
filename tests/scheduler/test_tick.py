"""The tick: what time asks for happens once, at its time, however many schedulers there are."""

import dataclasses
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from newsletter import db, errors, settings
from newsletter.articles import feeds, polling
from newsletter.articles.models import Feed, FeedMapping
from newsletter.issues import composing, lifecycle, planning, rescheduling, runs, timekeeping
from newsletter.issues.models import Issue, IssueState, Occurrence, OccurrenceState
from newsletter.outbox import queue, tally
from newsletter.outbox.models import Message
from newsletter.publication import newsletters
from newsletter.publication.models import Approval
from newsletter.scheduler import sweep, tick
from newsletter.staff import notices
from tests.conftest import both_engines
from tests.issues.world import article, magazine, newsletter, reader

pytestmark = both_engines

# A Monday; the daily newsletter appears at 07:00.
SEVEN = datetime(2026, 11, 23, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def time():
    with time_machine.travel(SEVEN - 20 * HOUR, tick=False) as traveller:
        yield traveller


@pytest.fixture
def told(monkeypatch) -> list[str]:
    """The subjects of what the editors were told, each key once."""
    keys, subjects = set(), []

    def tell(key, *, subject, text, **_more):
        if key in keys:
            return []
        keys.add(key)
        subjects.append(subject)
        return [text]

    monkeypatch.setattr(notices, "tell", tell)
    return subjects


@pytest.fixture
def daily(room, time, told):
    """An automatic newsletter with a story of yesterday, one reader, and a calendar that begins now."""
    magazine()
    made = newsletter(at="07:00")
    made.calendar_from_at = datetime.now(UTC)
    article("music", ready_at=datetime.now(UTC))
    reader("music", of=made)
    db.session.commit()
    return made


def run() -> tick.Report:
    db.session.commit()
    report = tick.run()
    assert report.problems == []
    return report


def issues(**where) -> list[Issue]:
    return list(db.session.scalars(select(Issue).filter_by(**where).order_by(Issue.id)))


def dates(state: OccurrenceState) -> list[date]:
    query = select(Occurrence.local_on).filter_by(state=state).order_by(Occurrence.local_on)
    return list(db.session.scalars(query))


def messages() -> int:
    return db.session.scalar(select(func.count(Message.id)))


def test_an_automatic_newsletter_is_composed_and_sent_at_its_time_and_once(daily, time):
    time.move_to(SEVEN - timedelta(seconds=1))
    assert run().released == []
    time.move_to(SEVEN)
    report = run()
    assert report.composed == report.released == [issues()[0].id]
    assert (run().released, messages(), dates(OccurrenceState.DONE)) == ([], 1, [SEVEN.date()])
    (issue,) = issues()
    assert (issue.is_automatic, issue.send_at, issue.state) == (True, SEVEN, IssueState.RELEASED)


def test_every_morning_has_its_issue_and_a_holiday_none(daily, time):
    daily.holidays = [newsletters.Holiday(on=date(2026, 11, 25))]
    for day in range(4):
        time.move_to(SEVEN + timedelta(days=day, seconds=-30))
        article("music", ready_at=datetime.now(UTC))
        run()
        time.shift(31)
        run()
    assert [issue.send_at.day for issue in issues(state=IssueState.RELEASED)] == [23, 24, 26]


def test_a_calendar_begins_when_it_is_saved(room, time, told):
    time.move_to(SEVEN + HOUR)
    magazine()
    plan = newsletters.Plan("The Daily", ["music"], newsletters.Calendar(newsletters.DAYS, "07:00", "UTC"))
    newsletters.save("daily", plan)
    article("music", ready_at=datetime.now(UTC))
    run()
    assert (issues(), db.session.query(Occurrence).count()) == ([], 0)


@pytest.mark.parametrize(
    ("late", "released", "done"), [(timedelta(seconds=4), 1, True), (6 * HOUR, 1, True), (6 * HOUR + HOUR, 0, False)]
)
def test_after_a_downtime_an_issue_is_caught_up_unless_it_is_too_late(daily, time, told, late, released, done):
    time.move_to(SEVEN + late)
    article("music", ready_at=datetime.now(UTC))
    assert len(run().released) == released
    run()
    assert [dates(OccurrenceState.DONE), dates(OccurrenceState.MISSED)][not done] == [SEVEN.date()]
    assert told == ([] if done else ["The Daily, issue 1, is held"])
    (issue,) = issues()
    assert bool(issue.held_reason) != done


def test_of_many_missed_dates_one_is_caught_up_and_an_editor_hears_of_the_others(daily, time, told):
    time.move_to(SEVEN + timedelta(days=3, hours=1))
    article("music", ready_at=datetime.now(UTC))
    assert len(run().released) == 1
    assert dates(OccurrenceState.MISSED) == [date(2026, 11, day) for day in (23, 24, 25)]
    assert (dates(OccurrenceState.DONE), told) == ([date(2026, 11, 26)], ["The Daily did not appear"])


def test_an_issue_with_too_little_is_held_and_the_next_date_takes_it_over(daily, time, told):
    daily.minimum_stories = 2
    time.move_to(SEVEN)
    run()
    run()
    (issue,) = issues()
    assert (issue.state, told) == (IssueState.DRAFT, ["The Daily, issue 1, is held"])
    time.shift(24 * HOUR)
    article("music", ready_at=datetime.now(UTC))
    assert run().released == [issue.id]
    assert dates(OccurrenceState.DONE) == [date(2026, 11, 23), date(2026, 11, 24)]


@pytest.fixture
def weekly(daily):
    """The same newsletter, with an approval."""
    daily.approval = Approval.ONE
    db.session.commit()
    return daily


def test_with_approval_the_draft_opens_before_and_waits(weekly, time, told):
    time.move_to(SEVEN - 15 * HOUR - timedelta(seconds=1))
    assert run().composed == []
    time.shift(1)
    (issue_id,) = run().composed
    issue = db.session.get(Issue, issue_id)
    waits = ["The Daily, issue 1, waits for approval"]
    assert (issue.state, issue.send_at, told) == (IssueState.DRAFT, SEVEN, waits)
    lifecycle.approve(issue, actor="ed")
    time.move_to(SEVEN - timedelta(minutes=1))
    assert (run().released, messages()) == ([], 1)  # planned, so that it leaves on the dot
    time.move_to(SEVEN)
    assert run().released == [issue_id]


def test_unapproved_it_is_warned_of_once_and_held_at_its_time(weekly, time, told):
    for moment in (-15 * HOUR, -HOUR / 2, -HOUR / 4, HOUR * 0, HOUR / 60, HOUR):
        time.move_to(SEVEN + moment)
        run()
    (issue,) = issues()
    assert told == [
        f"The Daily, issue 1, {what}" for what in ("waits for approval", "still waits for approval", "is held")
    ]
    assert (issue.state, messages(), dates(OccurrenceState.DONE)) == (IssueState.DRAFT, 0, [SEVEN.date()])


@pytest.mark.parametrize(("late", "released"), [(5 * HOUR, 1), (7 * HOUR, 0)])
def test_approved_late_it_goes_at_once_or_asks_for_a_new_time(weekly, time, late, released):
    time.move_to(SEVEN - HOUR)
    run()
    time.move_to(SEVEN + late)
    run()
    lifecycle.approve(issues()[0], actor="ed")
    assert len(run().released) == released
    assert (issues()[0].send_at is None) == (released == 0)


def test_a_newsletter_may_send_unapproved_issues_as_they_are(weekly, time):
    weekly.sends_unapproved = True
    weekly.approval = Approval.TWO
    time.move_to(SEVEN - HOUR)
    run()
    time.move_to(SEVEN)
    assert len(run().released) == 1


def test_an_unapproved_issue_is_taken_over_by_the_next_date(weekly, time):
    for hours in (-1, 0, 9, 10):
        time.move_to(SEVEN + hours * HOUR)
        run()
    (issue,) = issues()
    assert (issue.send_at, issue.held_reason) == (SEVEN + 24 * HOUR, "")


def test_an_issue_an_editor_moved_is_not_taken_over(weekly, time, told):
    time.move_to(SEVEN - HOUR)
    run()
    (issue,) = issues()
    lifecycle.approve(issue, actor="ed")
    lifecycle.schedule(issue, SEVEN + 25 * HOUR, actor="ed")
    for hours in (9, 24):
        time.move_to(SEVEN + hours * HOUR)
        run()
    assert dates(OccurrenceState.MISSED) == [date(2026, 11, 24)]
    assert told == ["The Daily, issue 1, waits for approval", "The Daily did not appear"]
    time.shift(HOUR)
    assert run().released == [issue.id]


def test_a_cancelled_issue_does_not_come_back(weekly, time):
    time.move_to(SEVEN - HOUR)
    run()
    lifecycle.cancel(issues()[0], actor="ed")
    for _ in range(2):
        time.shift(HOUR)
        run()
    assert ([issue.state for issue in issues()], dates(OccurrenceState.SKIPPED)) == (
        [IssueState.CANCELLED],
        [SEVEN.date()],
    )


def test_a_skipped_date_is_skipped(daily, time):
    rescheduling.skip(daily, SEVEN.date(), note="A quiet day", actor="ed")
    with pytest.raises(errors.NotFound):
        rescheduling.skip(newsletter("hand"), SEVEN.date(), actor="ed")
    time.move_to(SEVEN)
    run()
    assert issues() == []


def test_a_moved_date_is_sent_at_its_new_time_and_once(daily, time):
    rescheduling.move(daily, SEVEN.date(), datetime(2026, 11, 22, 21, 30), actor="ed")  # noqa: DTZ001 - a wall time
    assert run().composed == [], "its time has not come"
    time.move_to(SEVEN - 9.5 * HOUR)
    assert run().released == [issues()[0].id]
    time.move_to(SEVEN)
    assert (run().composed, messages(), dates(OccurrenceState.DONE)) == ([], 1, [SEVEN.date()])


def test_a_moved_draft_keeps_its_issue_though_the_next_one_opens_before(weekly, time):
    time.move_to(SEVEN - HOUR)
    run()
    rescheduling.move(weekly, SEVEN.date(), datetime(2026, 11, 24, 6), actor="ed")  # noqa: DTZ001 - a wall time
    time.move_to(SEVEN + 22 * HOUR)
    run()
    (first,) = issues()
    assert (first.send_at, dates(OccurrenceState.MOVED)) == (SEVEN + 23 * HOUR, [SEVEN.date()])
    lifecycle.approve(first, actor="ed")
    time.move_to(SEVEN + 23 * HOUR)
    run()
    run()
    assert [issue.state for issue in issues()] == [IssueState.RELEASED, IssueState.DRAFT]
    assert dates(OccurrenceState.DUE) == [date(2026, 11, 24)]


def test_a_moved_date_stands_while_the_calendar_has_it(daily, time):
    rescheduling.move(daily, SEVEN.date(), datetime(2026, 11, 23, 9), actor="ed")  # noqa: DTZ001 - a wall time
    daily.at = "06:00"
    run()
    assert dates(OccurrenceState.MOVED) == [SEVEN.date()]
    daily.days = ["tue"]
    run()
    assert dates(OccurrenceState.SKIPPED) == [SEVEN.date()]


def test_an_open_draft_follows_a_calendar_that_changes(weekly, time):
    time.move_to(SEVEN - HOUR)
    run()
    weekly.at = "09:30"
    run()
    (issue,) = issues()
    assert issue.send_at == SEVEN + 2.5 * HOUR
    weekly.days = ["tue"]
    run()
    assert (issue.send_at, dates(OccurrenceState.SKIPPED)) == (None, [SEVEN.date()])


def test_a_scheduled_issue_goes_at_its_time_and_too_late_it_is_held(daily, time, told):
    hand = newsletter("hand")
    reader("music", of=hand)
    issue = composing.compose(hand)
    lifecycle.approve(issue, actor="ed")
    lifecycle.schedule(issue, SEVEN - HOUR, actor="ed")
    time.move_to(SEVEN - HOUR)
    assert run().released == [issue.id]
    article("music", ready_at=datetime.now(UTC))
    late = composing.compose(hand)
    lifecycle.approve(late, actor="ed")
    lifecycle.schedule(late, SEVEN + 10 * HOUR, actor="ed")
    time.move_to(SEVEN + 17 * HOUR)
    assert late.id not in run().released
    assert "The Hand, issue 2, is held" in told
    assert lifecycle.shown_state(late) == "scheduled"


def test_a_tick_that_died_is_finished_by_the_next(daily, time, monkeypatch):
    time.move_to(SEVEN)
    steps = [(timekeeping, "compose_for"), (planning, "_store"), (planning, "_finish"), (queue, "release")]
    for module, name in steps:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda *_, **__: 1 / 0)
            db.session.commit()
            assert tick.run().problems
    assert len(run().released) == 1
    assert (messages(), dates(OccurrenceState.DONE)) == (1, [SEVEN.date()])


def test_one_newsletter_that_fails_does_not_stop_another(daily, time, monkeypatch):
    other = newsletter("other", at="07:00")
    other.calendar_from_at = daily.calendar_from_at
    reader("art", of=other)
    article("art", ready_at=datetime.now(UTC))
    time.move_to(SEVEN)
    compose_for, daily_id = timekeeping.compose_for, daily.id

    def failing(occurrence, now):
        if occurrence.newsletter_id == daily_id:
            raise RuntimeError("out of luck")
        return compose_for(occurrence, now)

    monkeypatch.setattr(timekeeping, "compose_for", failing)
    db.session.commit()
    report = tick.run()
    assert (len(report.released), report.problems) == (1, ["compose: RuntimeError"])


def test_feeds_are_asked_before_an_issue_is_composed_but_not_twice(daily, time, monkeypatch):
    polled = []

    def poll(feed_id):
        feed = db.session.get(Feed, feed_id)
        feed.fetched_at = datetime.now(UTC)
        feed.next_fetch_at = datetime.now(UTC) + 10 * HOUR
        article("music", ready_at=datetime.now(UTC), headline="Straight from the feed")
        db.session.commit()
        polled.append(feed_id)
        return polling.Report(feed_id, new=1)

    monkeypatch.setattr(polling, "poll", poll)
    topic = daily.topics[0].id
    feed = Feed(url="http://127.0.0.1/feed", next_fetch_at=SEVEN + 5 * HOUR, created_at=SEVEN, mappings=[])
    feed.mappings.append(FeedMapping(topic_id=topic))
    db.session.add(feed)
    time.move_to(SEVEN)
    report = run()
    assert polled == report.feeds == [feed.id]
    assert "Straight from the feed" in [entry.article.headline for entry in issues()[0].stories]
    assert timekeeping.feeds_to_ask(daily, datetime.now(UTC)) == []
    assert feeds.due(datetime.now(UTC)) == []


def test_an_issue_waits_for_slow_feeds_no_longer_than_it_is_allowed_to(daily, time, monkeypatch):
    made_before = {}

    def poll(feed_id):
        made_before[feed_id] = len(issues())
        feed = db.session.get(Feed, feed_id)
        feed.fetched_at, feed.next_fetch_at = datetime.now(UTC), datetime.now(UTC) + 10 * HOUR
        db.session.commit()
        time.shift(timedelta(seconds=20))
        return polling.Report(feed_id)

    monkeypatch.setattr(polling, "poll", poll)
    settings.use(dataclasses.replace(settings.current(), feed_connections=1, compose_poll_time=timedelta(seconds=30)))
    for number in range(4):
        feed = Feed(url=f"http://127.0.0.1/{number}", next_fetch_at=SEVEN, created_at=SEVEN, mappings=[])
        feed.mappings.append(FeedMapping(topic_id=daily.topics[0].id))
        db.session.add(feed)
    time.move_to(SEVEN)
    run()
    assert list(made_before.values()) == [0, 0, 1, 1], "the third and fourth are asked when the issue is there"


def test_many_schedulers_at_once_make_one_issue_and_one_message_each(daily, app, time, told):
    other = newsletter("other", at="07:00")
    other.calendar_from_at = daily.calendar_from_at
    for _ in range(10):
        reader("music", of=daily)
        reader("music", of=other)
    settings.use(dataclasses.replace(settings.current(), planning_page=3))
    time.move_to(SEVEN)
    db.session.commit()
    db.session.remove()
    barrier, reports = threading.Barrier(4), []

    def scheduler():
        with app.app_context():
            barrier.wait()
            for _ in range(4):
                reports.append(tick.run())

    threads = [threading.Thread(target=scheduler) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.problems for report in reports if report.problems] == []
    assert [(issue.number, issue.state) for issue in issues()] == [(1, IssueState.RELEASED)] * 2
    assert (messages(), db.session.query(Occurrence).count()) == (21, 2)
    for issue in issues():
        assert runs.find(issue).planned == tally.counts(runs.find(issue))["queued"]


def test_the_sweep_finishes_an_issue_nobody_was_to_get(daily, time):
    hand = newsletter("hand")
    issue = composing.compose(hand)
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    assert sweep.STEPS["finished_issues"]() == 1
    db.session.rollback()
    assert lifecycle.shown_state(issue) == "sent"
