"""Undo: whatever an editor does to an issue, the step back makes its content what it was."""

import random
from datetime import timedelta

import pytest

from newsletter import db, errors, settings
from newsletter.articles import correcting
from newsletter.issues import arrivals, blocks, composing, corrections, editing, freezing, lifecycle, planning, undoing
from newsletter.issues.blocks import Draft
from newsletter.issues.editing import Hand, Words
from newsletter.issues.models import BlockKind, IssueEdit, IssueState
from tests.conftest import both_engines
from tests.issues.world import NOON, article, magazine, newsletter, reader

ED, MO = Hand("ed@magazine.example"), Hand("mo@magazine.example")


@pytest.fixture
def issue(room, time):
    """An issue of four stories, one dropped, one pinned, with words of its own, and two later arrivals."""
    magazine()
    for number, name in enumerate("abcd"):
        article(headline=name, hypes=10 - number)
    made = composing.compose(newsletter(at="12:00"))
    editing.drop(made, made.entries[-1].article_id, ED)
    editing.pin(made, made.entries[2].article_id, ED)
    editing.word(made, Words("Subject", "Line", "Intro"), ED)
    blocks.add(made, Draft(BlockKind.SPONSOR, label="Presented by Lumen", markdown="A lamp."), ED)
    undoing.forget(made)
    time.shift(3600)
    for number in range(2):
        article(headline=f"later {number}", hypes=8, ready_at=NOON + timedelta(minutes=number))
    return made


def _story(issue, place):
    return issue.stories[place % len(issue.stories)].article_id


def _dropped(issue):
    return next((entry.article_id for entry in issue.entries if entry.dropped_at), None)


def _pinned(issue):
    return next((entry.article_id for entry in issue.stories if entry.is_pinned), None)


def _a_block(issue):
    return next((block.id for block in issue.blocks), None)


def _first_arrival(issue):
    return [each.id for each in arrivals.waiting(issue)][:1]


EDITS = {
    "words": lambda issue, n: editing.word(issue, Words(f"Subject {n}", "Line", f"Intro {n}"), ED),
    "no words": lambda issue, _: editing.word(issue, Words(), ED),
    "drop": lambda issue, n: len(issue.stories) > 1 and editing.drop(issue, _story(issue, n), ED),
    "take back": lambda issue, _: _dropped(issue) and editing.take_back(issue, _dropped(issue), ED),
    "pin": lambda issue, n: editing.pin(issue, _story(issue, n), ED),
    "unpin": lambda issue, _: _pinned(issue) and editing.unpin(issue, _pinned(issue), ED),
    "move": lambda issue, n: editing.move(issue, _story(issue, n), to=n + 2, hand=ED),
    "arrange": lambda issue, _: editing.arrange(issue, [each.article_id for each in reversed(issue.entries)], ED),
    "reword": lambda issue, n: editing.reword(issue, _story(issue, n), headline=f"H{n}", dek="Our dek", hand=ED),
    "take": lambda issue, _: _first_arrival(issue) and arrivals.take(issue, _first_arrival(issue), ED),
    "add block": lambda issue, n: blocks.add(issue, Draft(BlockKind.NOTE, markdown=f"Note {n}"), ED),
    "change block": lambda issue, n: (
        _a_block(issue) and blocks.change(issue, _a_block(issue), Draft(BlockKind.AD, markdown=f"Ad {n}"), ED)
    ),
    "remove block": lambda issue, _: _a_block(issue) and blocks.remove(issue, _a_block(issue), ED),
    "leave": lambda issue, _: _first_arrival(issue) and arrivals.leave(issue, _first_arrival(issue), ED),
}


def _hash(issue):
    freezing.freeze(issue)
    found = issue.frozen_hash
    lifecycle.thaw(issue)
    return found


def _whole(issue):
    """Everything an editor can change, and what readers would see."""
    db.session.flush()
    db.session.expire(issue)
    waiting = [each.id for each in arrivals.waiting(issue)]
    return _hash(issue), undoing.state(issue), waiting


@both_engines
@pytest.mark.parametrize("edit", EDITS)
def test_every_kind_of_edit_is_undone_to_the_same_content(issue, edit):
    before, version = _whole(issue), issue.version
    EDITS[edit](issue, 1)
    editing.undo(issue, MO)
    assert _whole(issue) == before
    assert issue.version == version + 2


def test_any_row_of_edits_is_undone_step_by_step_to_where_it_began(issue, time):
    chance = random.Random(20261126)
    stood = [_whole(issue)]
    for number in range(40):
        EDITS[chance.choice(list(EDITS))](issue, number)
        time.shift(timedelta(minutes=2))
        now = _whole(issue)
        if now[:2] != stood[-1][:2]:
            stood.append(now)
    assert len(stood) > 20
    for expected in reversed(stood[:-1]):
        editing.undo(issue, ED)
        assert _whole(issue) == expected
    with pytest.raises(errors.Conflict):
        editing.undo(issue, ED)


def test_words_that_are_saved_while_they_are_typed_are_one_step(issue, time):
    before = _whole(issue)
    for length in range(1, 8):
        editing.word(issue, Words("Subject"[:length]), ED)
        time.shift(5)
    assert editing.undo(issue, ED) == "changed the words"
    assert _whole(issue) == before
    editing.word(issue, Words("Ed's"), ED)
    editing.word(issue, Words("Mo's"), MO)
    editing.undo(issue, ED)
    assert issue.subject == "Ed's"


def test_what_composing_added_meanwhile_stays_when_an_order_is_undone(issue):
    editing.move(issue, _story(issue, 2), to=1, hand=ED)
    composing.compose(issue.newsletter)
    editing.undo(issue, ED)
    assert [entry.article.headline for entry in issue.stories] == ["c", "a", "b", "later 1", "later 0"]


def test_an_undo_is_refused_when_another_change_lies_on_top_and_opens_an_approved_issue(issue):
    editing.drop(issue, _story(issue, 0), ED)
    seen = undoing.last(issue).id
    editing.pin(issue, _story(issue, 1), MO)
    with pytest.raises(errors.Conflict, match="Somebody else"):
        editing.undo(issue, ED, seen)
    lifecycle.approve(issue, actor="ed")
    editing.undo(issue, ED)
    assert (issue.state, issue.frozen) == (IssueState.DRAFT, None)


def test_no_step_brings_back_words_that_were_corrected_since(issue):
    editing.reword(issue, _story(issue, 0), headline="Wrong", dek="", hand=ED)
    editing.reword(issue, _story(issue, 0), headline="Still wrong", dek="", hand=ED)
    corrections.correct(_story(issue, 0), correcting.Words(headline="Right"), reason="A slip.", hand=ED)
    assert undoing.last(issue) is None
    with pytest.raises(errors.Conflict, match="nothing left"):
        editing.undo(issue, ED)
    assert freezing.content(issue).stories[0].headline == "Right"


def test_so_many_steps_are_kept_and_none_of_an_issue_that_has_left(issue):
    reader(of=issue.newsletter)
    for number in range(settings.current().undo_steps + 5):
        editing.word(issue, Words(f"Subject {number}"), MO if number % 2 else ED)
    assert db.session.query(IssueEdit).count() == settings.current().undo_steps >= 20
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    assert db.session.query(IssueEdit).count() == 0
