"""The figures of an open issue: counted beside its pages, kept, and counted anew when something changed."""

from datetime import timedelta

import pytest

from newsletter import clock, db
from newsletter.audience.models import SubscriptionState
from newsletter.issues import composing, counting, editing, figuring, lifecycle
from newsletter.issues.models import Impact, Issue
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.scheduler import tick
from tests.conftest import both_engines
from tests.issues import world

HAND = editing.Hand("ed@magazine.example")


@pytest.fixture
def issue_id(room, time) -> int:
    """Two stories of music and one of art; three readers of music, one of both, and one of each who gets nothing."""
    world.magazine()
    daily = world.newsletter()
    for _ in range(3):
        world.reader("music", of=daily)
    world.reader("music", "art", of=daily)
    world.reader("music", of=daily, state=SubscriptionState.PENDING)
    world.reader("music", of=daily, paused_until=clock.now() + timedelta(days=3))
    bounced = world.reader("art", of=daily)
    suppression.suppress(bounced.address, SuppressionReason.HARD_BOUNCE)
    for slug in ("music", "music", "art"):
        world.article(slug, hypes=100 if slug == "art" else 1)
    issue = composing.compose(daily, now=clock.now())
    db.session.commit()
    return issue.id


def _kept(issue_id: int) -> counting.Counted:
    db.session.rollback()
    return counting.of(db.session.get_one(Issue, issue_id))


@both_engines
def test_who_gets_what_and_who_gets_nothing_and_why(issue_id):
    counting.count(issue_id)
    found = _kept(issue_id).figures
    assert (found["articles"], found["editions"], found["readers"], found["total"]) == (3, 2, 4, 6)
    assert found["skipped"] == {"paused": 1, "suppressed": 1, "unconfirmed": 1}
    assert found["sections"] == [["Music", 4], ["Art", 1]]
    told = {name: (found[name]["stories"], found[name]["readers"]) for name in ("smallest", "largest", "commonest")}
    assert told == {"smallest": (2, 3), "largest": (3, 1), "commonest": (2, 3)}
    assert all(8_000 < found[name]["bytes"] < 40_000 for name in told)
    profile = figuring.profile_of(found["largest"]["profile"])
    assert len(profile.topic_ids) == 2


def test_it_is_counted_again_when_it_changed_and_has_rested_or_is_asked_for(issue_id, time):
    assert counting.due(clock.now()) == [issue_id]
    counting.count(issue_id)
    assert (counting.due(clock.now()), _kept(issue_id).is_current) == ([], True)
    issue = db.session.get_one(Issue, issue_id)
    editing.drop(issue, issue.entries[0].article_id, HAND)
    db.session.commit()
    assert (counting.due(clock.now()), _kept(issue_id).is_current) == ([], False)
    time.shift(600)  # longer than any counting here takes, five times over
    assert counting.due(clock.now()) == [issue_id]
    counting.count(issue_id)
    assert (_kept(issue_id).figures["articles"], _kept(issue_id).is_current) == (2, True)
    counting.ask(db.session.get_one(Issue, issue_id))
    db.session.commit()
    assert counting.due(clock.now()) == [issue_id]
    time.shift(10)
    counting.count(issue_id)
    assert _kept(issue_id).is_current
    time.shift(3601)
    assert counting.due(clock.now()) == [issue_id]


def test_an_approval_changes_nothing_about_the_figures(issue_id, time, monkeypatch):
    counting.count(issue_id)
    counted_at = _kept(issue_id).counted_at
    time.shift(60)
    lifecycle.approve(db.session.get_one(Issue, issue_id), actor="ed")
    db.session.commit()
    counting.count(issue_id)
    assert (_kept(issue_id).is_current, _kept(issue_id).counted_at) == (True, counted_at)


def test_the_tick_counts_and_forgets_with_the_issue(issue_id):
    assert tick.run().problems == []
    assert _kept(issue_id).figures["readers"] == 4
    db.session.delete(db.session.get_one(Issue, issue_id))
    db.session.commit()
    assert db.session.get(Impact, issue_id) is None
    assert counting.due(clock.now()) == []


def test_nobody_to_write_to_is_said_without_an_edition(room, time):
    world.magazine()
    daily = world.newsletter()
    world.article("music")
    issue_id = composing.compose(daily, now=clock.now()).id
    db.session.commit()
    counting.count(issue_id)
    found = _kept(issue_id).figures
    assert (found["readers"], found["total"], "smallest" in found) == (0, 0, False)
