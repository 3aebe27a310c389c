"""Composing: the window, the order, what an editor did, and the figures."""

from datetime import timedelta

import pytest

from newsletter import db, errors
from newsletter.audience.models import SubscriptionState
from newsletter.issues import composing, editing, lifecycle, planning
from newsletter.issues.editing import Hand, Words
from newsletter.issues.models import IssueState
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.publication.models import NewsletterKind
from tests.conftest import both_engines
from tests.issues import world
from tests.issues.world import NOON, article, magazine, newsletter, reader

pytestmark = both_engines

ED = Hand("ed@magazine.example")


@pytest.fixture(autouse=True)
def _magazine(room, time):
    magazine()


def headlines(issue):
    return [entry.article.headline for entry in issue.stories]


@pytest.mark.parametrize(
    ("values", "is_offered"),
    [
        ({"ready_at": NOON}, True),
        ({"ready_at": NOON + timedelta(seconds=1)}, False),
        ({"ready_at": NOON - timedelta(days=2) + timedelta(seconds=1)}, True),
        ({"ready_at": NOON - timedelta(days=2)}, False),
        ({"is_withheld": True}, False),
        ({"withdrawn_at": NOON}, False),
        ({"language": "de"}, False),
    ],
)
def test_an_issue_draws_on_what_became_ready_in_its_window(values, is_offered):
    article("music", headline="X", **values)
    assert headlines(composing.compose(newsletter(at="12:00"))) == (["X"] if is_offered else [])


def test_only_the_newsletters_own_topics_are_offered():
    article("design")
    article("design", "art", headline="X")
    assert headlines(composing.compose(newsletter(carries=("art",)))) == ["X"]


@pytest.mark.parametrize(
    ("plan", "look_back"),
    [
        ({"at": "12:00"}, timedelta(days=2)),
        ({"at": "07:00", "days": ("mon", "thu")}, timedelta(days=6)),
        ({"at": "07:00", "days": ("mon",)}, timedelta(days=14)),
        ({"at": "07:00", "look_back_days": 3}, timedelta(days=3)),
        ({}, timedelta(days=2)),
    ],
)
def test_the_look_back_is_twice_the_gap_between_occurrences(plan, look_back):
    issue = composing.compose(newsletter(**plan))
    assert issue.cutoff_at - issue.look_back_from == look_back


def test_the_order_is_pins_priority_counters_then_the_newest():
    earlier = NOON - timedelta(hours=1)
    article(headline="old", ready_at=earlier)
    article(headline="new")
    article(headline="liked", hypes=3, ready_at=earlier)
    article(headline="discussed", hypes=1, comments=3, ready_at=earlier)
    article(headline="important", priority=1, ready_at=earlier)
    pinned = article(headline="pinned", ready_at=earlier)
    issue = composing.compose(newsletter())
    editing.pin(issue, pinned.id, ED)
    expected = ["pinned", "important", "discussed", "liked", "new", "old"]
    assert headlines(issue) == expected
    article(headline="arrived", hypes=2, ready_at=earlier)
    assert headlines(composing.compose(issue.newsletter)) == [*expected[:4], "arrived", *expected[4:]]


def test_there_is_one_open_issue_and_composing_again_adds_arrivals(time):
    daily = newsletter()
    article(headline="a")
    issue = composing.compose(daily)
    time.shift(3600)
    article(headline="b", ready_at=NOON + timedelta(minutes=30))
    assert composing.compose(daily) is issue
    assert headlines(issue) == ["b", "a"]
    assert issue.cutoff_at == NOON + timedelta(hours=1)


def test_composing_again_never_undoes_an_editor(time):
    daily = newsletter()
    kept = [article(headline=name, hypes=10 - place) for place, name in enumerate("abcd")]
    issue = composing.compose(daily)
    editing.drop(issue, kept[0].id, ED)
    editing.arrange(issue, [kept[3].id, kept[1].id], ED)
    editing.reword(issue, kept[1].id, headline="B, but better", dek="", hand=ED)
    editing.word(issue, Words("Ours", "Pre", "Intro"), ED)
    time.shift(60)
    article(headline="e", hypes=100, ready_at=NOON + timedelta(seconds=30))
    composing.compose(daily)
    assert headlines(issue) == ["d", "b", "c", "e"]
    assert (issue.subject, issue.subject_lead_id, issue.entries[1].headline) == ("Ours", kept[3].id, "B, but better")


def test_what_an_editor_dropped_stays_dropped_for_that_newsletter_only(time):
    daily, other = newsletter(), newsletter("other")
    dropped, _ = article(headline="a"), article(headline="b")
    issue = composing.compose(daily)
    editing.drop(issue, dropped.id, ED)
    lifecycle.cancel(issue, actor="ed")
    assert headlines(composing.compose(daily)) == ["b"]
    assert headlines(composing.compose(other)) == ["b", "a"]


def test_an_article_withdrawn_later_leaves_the_issue():
    daily, gone = newsletter(), article()
    issue = composing.compose(daily)
    gone.withdrawn_at = NOON
    assert issue.stories == []
    with pytest.raises(errors.Conflict):
        lifecycle.approve(issue, actor="ed")
    assert composing.compose(daily).entries == []


def test_composing_again_returns_an_approved_issue_to_draft():
    daily = newsletter()
    article()
    issue = composing.compose(daily)
    lifecycle.approve(issue, actor="ed")
    composing.compose(daily)
    assert (issue.state, issue.frozen, issue.approvals) == (IssueState.DRAFT, None, [])


def test_too_few_new_stories_hold_an_issue_with_a_sentence():
    daily = newsletter(minimum_stories=2)
    article()
    assert composing.compose(daily).held_reason == "It has 1 new story, and The Daily asks for at least 2."
    article()
    assert composing.compose(daily).held_reason == ""


def test_stories_of_an_earlier_issue_are_offered_again_but_are_not_new(room):
    daily = newsletter()
    article()
    reader(of=daily)
    issue = composing.compose(daily)
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    again = composing.compose(daily)
    assert (len(again.stories), again.number) == (1, 2)
    assert again.held_reason == "It has no new story, and The Daily asks for at least 1."


def test_a_selection_brings_the_last_seven_days_sent_stories(time):
    daily = newsletter()
    weekly = newsletter("weekly", carries=("music",), kind=NewsletterKind.SELECTION)
    reader("music", "art", of=daily)
    _sent, _, _ = article("music", headline="sent"), article("art", headline="art"), article("design")
    issue = composing.compose(daily)
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    article("music", headline="never sent")
    assert headlines(composing.compose(weekly)) == ["sent"]
    time.shift(timedelta(days=7))
    assert headlines(composing.compose(weekly)) == []


def test_the_figures_say_who_gets_what_and_who_nothing():
    daily = newsletter(carries=("music", "art", "design"))
    article("music")
    article("art")
    for _ in range(3):
        reader("music", of=daily)
    reader("music", "art", of=daily)
    reader("design", of=daily)
    reader("music", of=daily, paused_until=NOON + timedelta(days=1))
    reader("music", of=daily, state=SubscriptionState.PENDING)
    gone = reader("music", of=daily)
    suppression.suppress(gone.address, SuppressionReason.COMPLAINT)
    reader("music", of=daily, paused_until=NOON - timedelta(days=1))
    figures = composing.figures(composing.compose(daily))
    assert (figures.articles, figures.editions, figures.readers) == (2, 2, 5)
    assert figures.skipped == {"nothing_new": 1, "paused": 1, "suppressed": 1, "unconfirmed": 1}


def test_a_subject_goes_to_the_editions_that_carry_its_lead():
    daily = newsletter()
    music, _ = article("music", headline="M", hypes=5), article("art", headline="A")
    both, art_only = reader("music", "art", of=daily), reader("art", of=daily)
    issue = composing.compose(daily)
    editing.word(issue, Words("Our own subject"), ED)
    assert issue.subject_lead_id == music.id
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    subjects = world.subjects(issue.id)
    assert subjects == {both.id: "Our own subject", art_only.id: "A"}


def test_an_edit_made_on_an_older_version_is_refused():
    one, two = article(), article()
    issue = composing.compose(newsletter())
    seen = issue.version
    editing.pin(issue, one.id, Hand("ed", version=seen))
    with pytest.raises(errors.Conflict):
        editing.pin(issue, two.id, Hand("mo", version=seen))


def test_an_edit_returns_an_approved_issue_to_draft_and_a_released_one_is_closed():
    daily, one = newsletter(), article()
    reader(of=daily)
    issue = composing.compose(daily)
    lifecycle.approve(issue, actor="ed")
    editing.pin(issue, one.id, ED)
    assert issue.state is IssueState.DRAFT
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    with pytest.raises(errors.Conflict):
        editing.drop(issue, one.id, ED)
