"""The tick: issues appear at their time, once, whatever was down, late, or running twice."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from newsletter import db
from newsletter.issues.models import Issue, Occurrence, OccurrenceState
from newsletter.outbox.models import Message
from newsletter.publication.models import Approval
from newsletter.scheduler import tick
from newsletter.staff import editors
from newsletter.staff.models import Notice, Role
from tests.conftest import both_engines
from tests.issues import world

pytestmark = both_engines

SEVEN = datetime(2026, 11, 24, 7, tzinfo=UTC)


@pytest.fixture
def time():
    with time_machine.travel(world.NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def magazine(room, time):
    world.magazine()
    editors.add("ed@magazine.example", Role.EDITOR)
    db.session.commit()


def _daily(**plan):
    newsletter = world.newsletter(at="07:00", **plan)
    newsletter.calendar_from_at = world.NOON
    world.article("music", ready_at=SEVEN - timedelta(hours=3))
    for _ in range(3):
        world.reader("music", of=newsletter)
    db.session.commit()
    return newsletter


def _messages():
    count = db.session.scalar(select(func.count(Message.id)).where(Message.ref.is_not(None)))
    db.session.rollback()
    return count


def test_an_automatic_issue_goes_at_its_time_and_not_a_second_time(magazine, time):
    _daily()
    time.move_to(SEVEN - timedelta(seconds=1))
    assert tick.run().released == []
    time.move_to(SEVEN)
    report = tick.run()
    assert (len(report.composed), len(report.released), report.problems) == (1, 1, [])
    assert _messages() == 3
    for _ in range(3):
        time.shift(timedelta(seconds=2))
        assert tick.run().released == []
    assert _messages() == 3
    time.move_to(SEVEN + timedelta(days=1))
    report = tick.run()
    assert (report.released, len(report.held)) == ([], 1)  # nothing new: held and told, not an empty mail
    assert _messages() == 3


def test_after_a_downtime_one_issue_is_caught_up_and_a_late_one_is_held(magazine, time):
    _daily()
    time.move_to(SEVEN + timedelta(days=3, hours=2))
    world.article("music", ready_at=SEVEN + timedelta(days=2))
    db.session.commit()
    assert len(tick.run().released) == 1
    states = db.session.scalars(select(Occurrence.state).order_by(Occurrence.local_on)).all()
    assert list(states) == [OccurrenceState.MISSED] * 3 + [OccurrenceState.DONE]
    db.session.rollback()
    time.move_to(SEVEN + timedelta(days=4, hours=7))
    world.article("music", ready_at=SEVEN + timedelta(days=3, hours=12))
    db.session.commit()
    report = tick.run()
    assert (report.released, _messages()) == ([], 3)
    assert "more than 6 hours" in db.session.scalars(select(Issue.held_reason).order_by(Issue.id.desc())).first()


def test_an_unapproved_issue_is_opened_ahead_warned_of_once_and_held_at_its_time(magazine, time):
    _daily(approval=Approval.ONE)
    time.move_to(SEVEN - timedelta(hours=15))
    assert len(tick.run().composed) == 1
    time.move_to(SEVEN - timedelta(minutes=30))
    assert len(tick.run().warned) == 1
    assert tick.run().warned == []
    time.move_to(SEVEN)
    assert len(tick.run().held) == 1
    assert tick.run().held == []
    subjects = db.session.scalars(select(Notice.subject).order_by(Notice.id)).all()
    assert [subject.split()[-2:] for subject in subjects] == [["for", "approval"], ["is", "held"]]
    assert _messages() == 0


@pytest.mark.parametrize("skipped", ["holiday", "calendar begins"])
def test_a_skipped_date_and_one_before_the_calendar_began_bring_nothing(magazine, time, skipped):
    newsletter = _daily()
    if skipped == "holiday":
        world.newsletters.save(
            "daily",
            world.newsletters.Plan(
                "The Daily",
                ["music"],
                world.newsletters.Calendar(world.EVERY_DAY, "07:00", "UTC", [SEVEN.date()]),
            ),
        )
    else:
        newsletter.calendar_from_at = SEVEN + timedelta(minutes=1)
    db.session.commit()
    time.move_to(SEVEN + timedelta(hours=1))
    assert tick.run().composed == []
    assert _messages() == 0


def test_schedulers_that_tick_at_once_send_nothing_twice(app, magazine, time):
    _daily()
    time.move_to(SEVEN)
    barrier, reports = threading.Barrier(3), []

    def run():
        with app.app_context():
            barrier.wait()
            reports.append(tick.run())

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(reports) == 3
    assert tick.run().released == []
    assert _messages() == 3
    assert db.session.scalar(select(func.count(Issue.id))) == 1
