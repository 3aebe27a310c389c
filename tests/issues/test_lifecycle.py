"""From draft to released: the table of moves, approvals, times."""

import threading
from datetime import timedelta

import pytest

from newsletter import clock, db, errors
from newsletter.issues import archive, composing, editing, lifecycle, planning, progress, runs
from newsletter.issues.editing import Hand
from newsletter.issues.models import Edition, Issue, IssueState
from newsletter.outbox.models import Message
from newsletter.publication.models import Approval
from newsletter.staff import audit
from tests.conftest import both_engines
from tests.issues.world import NOON, article, magazine, newsletter, reader

pytestmark = both_engines

HOUR = timedelta(hours=1)


@pytest.fixture
def draft(room, time) -> Issue:
    magazine()
    daily = newsletter()
    article("music")
    reader(of=daily)
    return composing.compose(daily)


ACTS = {
    "approve": lambda issue: lifecycle.approve(issue, actor="ed"),
    "schedule": lambda issue: lifecycle.schedule(issue, NOON + HOUR, actor="ed"),
    "send_now": lambda issue: lifecycle.send_now(issue, actor="ed"),
    "return": lambda issue: lifecycle.return_to_draft(issue, actor="ed"),
    "cancel": lambda issue: lifecycle.cancel(issue, actor="ed"),
    "pause": lambda issue: lifecycle.pause(issue, actor="ed"),
    "resume": lambda issue: lifecycle.resume(issue, actor="ed"),
}
BEFORE = {
    "draft": [],
    "approved": ["approve"],
    "scheduled": ["approve", "schedule"],
    "sending": ["approve", "send_now", "release"],
    "paused": ["approve", "send_now", "release", "pause"],
    "cancelled": ["cancel"],
}
AFTER = {
    ("draft", "approve"): "approved",
    ("draft", "cancel"): "cancelled",
    ("approved", "schedule"): "scheduled",
    ("approved", "send_now"): "scheduled",
    ("approved", "return"): "draft",
    ("approved", "cancel"): "cancelled",
    ("scheduled", "schedule"): "scheduled",
    ("scheduled", "send_now"): "scheduled",
    ("scheduled", "return"): "draft",
    ("scheduled", "cancel"): "cancelled",
    ("sending", "pause"): "paused",
    ("sending", "cancel"): "cancelled",
    ("paused", "resume"): "sending",
    ("paused", "cancel"): "cancelled",
}


def act(issue, name):
    if name == "release":
        db.session.commit()
        planning.release(issue.id)
    else:
        ACTS[name](issue)


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("state", BEFORE)
def test_every_state_allows_what_the_table_says_and_nothing_else(draft, state, name):
    for step in BEFORE[state]:
        act(draft, step)
    assert lifecycle.shown_state(draft) == state
    if (state, name) in AFTER:
        act(draft, name)
        assert lifecycle.shown_state(draft) == AFTER[state, name]
    else:
        with pytest.raises(errors.Conflict):
            act(draft, name)
        assert lifecycle.shown_state(draft) == state


def test_two_approvals_need_two_people_and_the_same_content(draft):
    draft.newsletter.approval = Approval.TWO
    lifecycle.approve(draft, actor="ed")
    assert draft.state is IssueState.DRAFT
    with pytest.raises(errors.Conflict):
        lifecycle.approve(draft, actor="ed")
    # What the second one approves is what the first one saw, though the counters went on.
    draft.entries[0].article.hypes = 900
    lifecycle.approve(draft, actor="mo")
    assert (draft.state, draft.frozen["stories"][0]["hypes"]) == (IssueState.APPROVED, None)


def test_an_edit_between_two_approvals_asks_both_again(draft):
    draft.newsletter.approval = Approval.TWO
    lifecycle.approve(draft, actor="ed")
    editing.reword(draft, draft.entries[0].article_id, headline="Other", dek="", hand=Hand("mo"))
    lifecycle.approve(draft, actor="mo")
    assert draft.state is IssueState.DRAFT
    lifecycle.approve(draft, actor="ed")
    assert draft.state is IssueState.APPROVED


def test_what_is_approved_is_what_is_sent(draft):
    story = draft.entries[0].article
    story.headline = "As approved"
    lifecycle.approve(draft, actor="ed")
    story.headline = "Changed since"
    act(draft, "release")
    assert db.session.scalars(db.session.query(Edition.subject).statement).all() == ["As approved"]
    assert archive.published(archive.find("daily", 1)).view.lead.headline == "As approved"


@pytest.mark.parametrize(("lateness", "send_at_stays"), [(6 * HOUR, True), (6 * HOUR + HOUR / 60, False)])
def test_approved_late_it_goes_at_once_and_later_than_that_asks_for_a_new_time(draft, time, lateness, send_at_stays):
    draft.send_at = NOON
    time.move_to(NOON + lateness)
    lifecycle.approve(draft, actor="ed")
    assert (draft.send_at == NOON, draft.held_reason == "") == (send_at_stays, send_at_stays)
    lifecycle.send_now(draft, actor="ed")
    assert draft.held_reason == ""


def test_a_time_must_be_ahead_and_have_an_offset(draft):
    lifecycle.approve(draft, actor="ed")
    for wrong in (NOON, NOON - HOUR, (NOON + HOUR).replace(tzinfo=None)):
        with pytest.raises(errors.BadInput):
            lifecycle.schedule(draft, wrong, actor="ed")


def test_what_was_planned_ahead_is_forgotten_when_the_issue_changes(draft):
    lifecycle.approve(draft, actor="ed")
    lifecycle.schedule(draft, NOON + HOUR, actor="ed")
    db.session.commit()
    planning.plan(draft.id)
    assert db.session.query(Message).count() == 1
    lifecycle.return_to_draft(draft, actor="ed")
    assert (db.session.query(Message).count(), db.session.query(Edition).count(), runs.find(draft)) == (0, 0, None)
    lifecycle.approve(draft, actor="ed")
    act(draft, "release")
    assert progress.status(draft)["queued"] == 1


def test_a_withdrawn_article_holds_an_approved_issue(draft):
    lifecycle.approve(draft, actor="ed")
    draft.entries[0].article.withdrawn_at = clock.now()
    with pytest.raises(errors.Conflict, match="was withdrawn"):
        act(draft, "release")
    assert "was withdrawn" in draft.held_reason
    assert progress.status(draft)["planned"] == 0


def test_of_two_who_move_an_issue_at_once_one_is_told(draft, app):
    lifecycle.approve(draft, actor="ed")
    db.session.commit()
    issue_id, barrier, told = draft.id, threading.Barrier(2), []
    db.session.rollback()

    def cancel(actor):
        with app.app_context():
            issue = db.session.get(Issue, issue_id)
            db.session.rollback()
            barrier.wait()
            try:
                lifecycle.cancel(issue, actor=actor)
                db.session.commit()
                told.append("done")
            except errors.Conflict:
                db.session.rollback()
                told.append("conflict")

    threads = [threading.Thread(target=cancel, args=(name,)) for name in ("ed", "mo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["conflict", "done"]


def test_every_step_is_on_record(draft):
    lifecycle.approve(draft, actor="ed")
    lifecycle.schedule(draft, NOON + HOUR, actor="mo")
    lifecycle.return_to_draft(draft, actor="ed")
    lifecycle.cancel(draft, actor="ed")
    lines = [(line.actor, line.action) for line in reversed(audit.of(f"issue {draft.id}"))]
    assert lines == [("ed", "approved"), ("mo", "scheduled"), ("ed", "returned to draft"), ("ed", "cancelled")]
