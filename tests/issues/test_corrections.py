"""An article withdrawn or corrected after an approval: what drops it, what waits, what stops, and how it goes on."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from newsletter import clock, db, errors, invariants
from newsletter.articles import correcting, publishing
from newsletter.articles.correcting import Words
from newsletter.audience.models import SubscriptionState
from newsletter.issues import amending, archive, composing, corrections, doubts, lifecycle, notes, planning, runs
from newsletter.issues.editing import Hand, word
from newsletter.issues.editing import Words as IssueWords
from newsletter.issues.models import EditionPart
from newsletter.outbox import suppression
from newsletter.outbox.models import Message, MessageState, SuppressionReason
from newsletter.publication.models import Approval
from newsletter.staff import audit, editors, notices
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.issues.world import NOON, article, brought, magazine, newsletter, reader, subjects

ED = Hand("ed@magazine.example", None)
WHY = "The museum denies it."


@pytest.fixture
def daily(room, time):
    magazine()
    editors.add("ed@magazine.example", Role.EDITOR)
    return newsletter(carries=("music", "art"), approval=Approval.ONE)


def approved(of, *, subject=""):
    issue = composing.compose(of)
    if subject:
        word(issue, IssueWords(subject), ED)
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    return issue


def released(of):
    issue = approved(of)
    planning.release(issue.id)
    return issue


def withdraw(story, reason=WHY):
    found = corrections.withdraw(story.id, reason=reason, hand=ED)
    db.session.commit()
    return [str(each) for each in found]


def messages(issue):
    query = select(Message).filter_by(run_id=runs.find(issue).id).order_by(Message.recipient_id)
    return db.session.scalars(query.execution_options(populate_existing=True)).all()


def settle(issue, *states):
    """Give the issue's messages, by reader, these states; the run goes on."""
    for message, state in zip(messages(issue), states, strict=True):
        message.state = state
        if state in (MessageState.SENT, MessageState.UNCERTAIN):
            message.settled_at = clock.now()
    db.session.commit()


def carry_out(issue):
    found = amending.proposal(issue)
    assert amending.approve(issue, found.hash, ED)
    db.session.commit()
    return amending.carry_out(issue.id)


def told():
    return [(each.subject, each.text) for each in notices.unseen(1)]


@both_engines
def test_drafts_drop_a_withdrawn_story_and_approved_issues_wait_with_the_reason(daily):
    bad, _ = article("art", headline="A forged vase", hypes=9), article("music", headline="Quiet record")
    weekly = newsletter("weekly", carries=("music", "art"))
    held, draft = approved(daily, subject="Forged!"), composing.compose(weekly)
    old = held.frozen_hash
    assert sorted(withdraw(bad)) == ["The Daily 1 approved", "The Weekly 1 draft"]
    assert [story.article.headline for story in draft.stories] == ["Quiet record"]
    assert held.held_reason == f"“A forged vase” was withdrawn after the approval: {WHY}"
    ((subject, text),) = told()
    assert subject == "“A forged vase” was withdrawn"
    assert WHY in text
    assert "The Daily 1 approved: it is held." in text
    assert "The Weekly 1 draft: it drops it." in text
    for act in (lambda: lifecycle.send_now(held, actor="ed"), lambda: planning.release(held.id)):
        with pytest.raises(errors.Conflict, match="was withdrawn"):
            act()
        db.session.rollback()
    amending.go_on(held, ED)
    assert (held.state, held.subject, held.held_reason) == ("draft", "", "")
    lifecycle.approve(held, actor="mo")
    line = next(each for each in audit.of(f"issue {held.id}") if each.action == "goes on without it")
    assert (line.before, line.after) == (
        {"hash": old, "subject": "Forged!"},
        {"hash": held.frozen_hash, "subject": "Quiet record"},
    )


def test_what_is_sent_waits_or_may_have_arrived_is_told_apart_when_a_story_is_withdrawn_in_mid_send(daily):
    bad = article("art", headline="A forged vase", hypes=9)
    article("music", headline="Quiet record")
    everybody = [reader("music", "art", of=daily) for _ in range(5)]
    only_art, only_music = reader("art", of=daily), reader("music", of=daily)
    issue = released(daily)
    states = (MessageState.SENT, MessageState.UNCERTAIN, MessageState.DEFERRED, *[MessageState.QUEUED] * 4)
    settle(issue, *states)
    before = {each.recipient_id: each.ref for each in messages(issue)}
    assert withdraw(bad) == ["The Daily 1 sending to 7"]
    run = runs.find(issue)
    assert (run.state, run.paused_reason) == ("paused", f"“A forged vase” was withdrawn after the approval: {WHY}")
    found = amending.reach(issue, bad.id)
    # The reader of music would have seen it under What to read next.
    assert (found.had, found.waiting, found.deferred, found.uncertain) == (1, 4, 1, 1)
    with pytest.raises(errors.Conflict, match="Approve the corrected mail first"):
        lifecycle.resume(issue, actor="ed")
    db.session.rollback()
    with pytest.raises(errors.Conflict, match="has changed since you looked"):
        amending.approve(issue, "another", ED)
    db.session.rollback()
    assert carry_out(issue)
    after = {each.recipient_id: each for each in messages(issue)}
    kept = {everybody[0].id, everybody[1].id, only_art.id}
    assert {each for each, message in after.items() if message.ref == before[each]} == kept
    assert bad.id not in brought(issue.id, EditionPart.READ_NEXT)[only_music.id]
    assert (after[only_art.id].state, after[only_art.id].last_reply) == ("skipped", amending.NOTHING_LEFT)
    assert subjects(issue.id)[everybody[2].id] == "Quiet record"
    assert runs.find(issue).state == "running"
    # Readers of this small magazine have no consent on record.
    assert [each.rule.name for each in invariants.check() if each.offenders] == ["I13"]
    assert archive.published(issue).is_shorter
    uncertain = after[everybody[1].id].id
    assert doubts.resend([uncertain], actor="ed").stayed == {uncertain: "its story was withdrawn or corrected since"}
    actions = [each.action for each in audit.of(f"issue {issue.id}")]
    assert actions[:4] == ["resume", "correction carried out", "correction approved", "pause"]


def test_a_correction_reaches_who_waits_and_no_feed_undoes_it(daily):
    story = article("art", headline="He was 12", hypes=9)
    first, second = reader("art", of=daily), reader("art", of=daily)
    issue = approved(daily, subject="He was only 12")
    planning.release(issue.id)
    settle(issue, MessageState.SENT, MessageState.DEFERRED)
    correction, found = corrections.correct(story.id, Words(headline="He was 13"), reason="A slip.", hand=ED)
    db.session.commit()
    assert (correction.before, [str(each) for each in found]) == (
        {"headline": "He was 12"},
        ["The Daily 1 sending to 2"],
    )
    assert carry_out(issue)
    assert subjects(issue.id) == {first.id: "He was only 12", second.id: "He was 13"}
    shown = archive.published(issue)
    assert (shown.view.lead.headline, shown.corrected_at, shown.is_shorter) == ("He was 13", NOON, False)
    draft = publishing.Draft(story.url, "He was 12", "The feed's dek.", topics=("art",))
    for headline in ("He was 13", "He was 12"):
        assert publishing.publish(draft).article.headline == headline
        assert story.dek == "The feed's dek."
        correcting.let_go(story)


def test_words_that_say_nothing_new_stop_nothing_and_wrong_ones_are_refused(daily):
    story = article("art", headline="A vase")
    issue = approved(daily)
    assert corrections.correct(story.id, Words(headline=" A  vase "), reason="", hand=ED) == (None, [])
    _, found = corrections.correct(story.id, Words(body="# A vase\n\nIt *stands*."), reason="", hand=ED)
    assert (found, issue.held_reason, "<em>stands</em>" in story.body_html) == ([], "", True)
    for words, field in (
        (Words(headline=" "), "headline"),
        (Words(url="javascript:1"), "url"),
        (Words(dek="x" * 1001), "dek"),
    ):
        with pytest.raises(errors.BadInput) as refused:
            corrections.correct(story.id, words, reason="", hand=ED)
        assert refused.value.field == field
    with pytest.raises(errors.BadInput, match="Say why"):
        corrections.withdraw(story.id, reason=" ", hand=ED)
    with pytest.raises(errors.Conflict, match="changed meanwhile"):
        correcting.get(story.id, seen=NOON - timedelta(days=1))


@both_engines
def test_a_note_goes_once_to_exactly_those_who_had_the_article_less_who_left(daily):
    story = article("art", headline="A forged vase", hypes=9)
    article("music", headline="Quiet record")
    had = [reader("art", of=daily) for _ in range(5)]
    waiting, never = reader("art", of=daily), reader("art", of=daily, paused_until=NOON + timedelta(days=1))
    issue = released(daily)
    settle(issue, *[MessageState.SENT] * 4, MessageState.UNCERTAIN, MessageState.QUEUED)
    withdraw(story)
    assert carry_out(issue)
    left, stopped = had[0], had[1]
    for each in left.subscriptions:
        each.state = SubscriptionState.ENDED
    suppression.suppress(stopped.address, SuppressionReason.COMPLAINT)
    draft = composing.compose(daily)
    note = notes.write(story.id, issue.id, ED)
    assert notes.write(story.id, issue.id, ED) is note
    with pytest.raises(errors.Conflict, match="says nothing yet"):
        lifecycle.approve(note, actor="ed")
    word(note, IssueWords("About a vase", intro="It was **forged**. We are sorry."), ED)
    found = composing.figures(note)
    assert (found.readers, found.skipped) == (3, {"suppressed": 1})
    lifecycle.approve(note, actor="ed")
    lifecycle.send_now(note, actor="ed")
    db.session.commit()
    for _ in range(2):
        planning.release(note.id)
    to = [each.recipient_id for each in messages(note)]
    assert to == [had[2].id, had[3].id, had[4].id]
    assert waiting.id not in to
    assert never.id not in to
    assert set(subjects(note.id).values()) == {"About a vase"}
    shown = archive.published(archive.find("daily", note.number))
    assert (shown.title, shown.view.lead, "forged" in shown.view.intro) == ("About a vase", None, True)
    assert archive.latest(daily) is issue
    assert composing.open_issue(daily) is draft
