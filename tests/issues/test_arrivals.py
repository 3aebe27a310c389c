"""Later arrivals: seen as a difference, taken to their place, or left out of the newsletter for good."""

from datetime import timedelta

import pytest

from newsletter import errors
from newsletter.issues import arrivals, composing, editing, freezing, lifecycle
from newsletter.issues.editing import Hand
from newsletter.issues.models import IssueState
from tests.conftest import both_engines
from tests.issues.world import NOON, article, magazine, newsletter

pytestmark = both_engines

ED = Hand("ed@magazine.example")


@pytest.fixture(autouse=True)
def _magazine(room, time):
    magazine()


def _headlines(found):
    return [getattr(each, "article", each).headline for each in found]


def _three_more(time):
    """A composed issue of a and z, and an hour later three stories more."""
    article(headline="a", hypes=50)
    article(headline="z", hypes=1)
    issue = composing.compose(newsletter(at="12:00"))
    time.shift(3600)
    more = [article(headline=name, hypes=likes, ready_at=NOON + timedelta(minutes=30)) for name, likes in LATER.items()]
    return issue, more


LATER = {"top": 90, "middle": 20, "last": 0}


def test_of_three_arrivals_two_are_taken_and_the_third_is_in_no_later_issue_either(time):
    issue, (top, middle, last) = _three_more(time)
    assert (_headlines(arrivals.waiting(issue)), arrivals.count(issue)) == (list(LATER), 3)
    before = freezing.hash_of(issue, freezing.content(issue))
    shown = [each.id for each in arrivals.waiting(issue)]
    assert shown[-1] == last.id
    for is_undone in (True, False):
        taken, left = arrivals.choose(issue, [middle.id, top.id], ED, among=shown)
        assert (_headlines(taken), _headlines(left)) == (["top", "middle"], ["last"])
        assert (_headlines(issue.stories), arrivals.count(issue)) == (["top", "a", "middle", "z"], 0)
        if is_undone:
            assert "left out" in editing.undo(issue, ED)
            assert freezing.hash_of(issue, freezing.content(issue)) == before
    composing.compose(issue.newsletter)
    assert _headlines(issue.stories) == ["top", "a", "middle", "z"]
    lifecycle.cancel(issue, actor="ed")
    tomorrow = composing.compose(issue.newsletter, now=NOON + timedelta(hours=20))
    assert tomorrow.id != issue.id
    assert _headlines(tomorrow.stories) == ["top", "a", "middle", "z"]


def test_what_is_neither_taken_nor_left_is_offered_to_the_next_issue(time):
    issue, _ = _three_more(time)
    lifecycle.cancel(issue, actor="ed")
    assert "last" in _headlines(composing.compose(issue.newsletter).stories)


def test_among_arranged_stories_an_arrival_stands_at_the_end(time):
    issue, (top, *_) = _three_more(time)
    editing.arrange(issue, [issue.entries[1].article_id], ED)
    arrivals.take(issue, [top.id], ED)
    assert _headlines(issue.stories) == ["z", "a", "top"]


def test_leaving_keeps_an_approval_and_taking_asks_for_it_again(time):
    issue, (top, middle, _) = _three_more(time)
    lifecycle.approve(issue, actor="ed")
    approved = issue.frozen_hash
    arrivals.leave(issue, [top.id], ED)
    assert (issue.state, issue.frozen_hash) == (IssueState.APPROVED, approved)
    arrivals.take(issue, [middle.id], ED)
    assert (issue.state, issue.frozen) == (IssueState.DRAFT, None)


def test_what_somebody_else_decided_is_decided_and_a_left_story_can_be_taken_back(time):
    issue, (top, middle, _) = _three_more(time)
    arrivals.take(issue, [top.id], ED)
    with pytest.raises(errors.Conflict):
        arrivals.take(issue, [top.id], ED)
    assert _headlines(arrivals.leave(issue, [top.id, middle.id, 999], ED)) == ["middle"]
    assert "top" in _headlines(issue.stories)
    editing.take_back(issue, middle.id, ED)
    assert _headlines(issue.stories) == ["top", "a", "middle", "z"]


def test_an_issue_held_for_too_few_stories_is_so_no_longer_when_enough_were_taken(time):
    issue = composing.compose(newsletter(minimum_stories=1))
    assert issue.held_reason
    time.shift(60)
    arrivals.take(issue, [article(ready_at=NOON + timedelta(seconds=30)).id], ED)
    assert issue.held_reason == ""
