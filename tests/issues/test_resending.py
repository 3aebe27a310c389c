"""Resending what failed: to whom nobody delivered and who would still get it, and never a copy or a story twice."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from newsletter import clock, db, errors, invariants
from newsletter.audience.models import SubscriptionState
from newsletter.issues import composing, lifecycle, planning, receipts, resending, runs
from newsletter.issues.models import Issue
from newsletter.outbox import doubts, listing, queue, suppression, tally
from newsletter.outbox.models import Message, MessageState, RunState, SuppressionReason
from newsletter.staff import audit
from tests.conftest import both_engines
from tests.issues.world import article, magazine, newsletter, reader, subscribe

DAY = timedelta(days=1)
ENDS = {
    "sent": (MessageState.SENT, "dot", "250 ok"),
    "refused": (MessageState.BOUNCED, "rcpt", "550 5.7.1 not today"),
    "given up": (MessageState.EXPIRED, "rcpt", "451 come back later"),
    "settled": (MessageState.BOUNCED, "evidence", "settled by an editor"),
    "uncertain": (MessageState.UNCERTAIN, "dot", ""),
    "skipped": (MessageState.SKIPPED, "", "unsubscribed"),
    "suppressed": (MessageState.BOUNCED, "rcpt", "550 5.1.1 no such user"),
    "left": (MessageState.BOUNCED, "rcpt", "550 5.7.1 not today"),
    "moved": (MessageState.EXPIRED, "rcpt", "451 come back later"),
    "paused": (MessageState.EXPIRED, "rcpt", "451 come back later"),
    "had since": (MessageState.BOUNCED, "rcpt", "550 5.7.1 not today"),
}
GO, STAY = {"refused", "given up"}, {"suppressed", "left", "moved", "paused", "had since"}


@pytest.fixture
def people(room, time):
    """A reader for every end, and the issue that ended so, a day ago."""
    magazine()
    daily = newsletter()
    article("music")
    made = {name: reader("music", of=daily) for name in ENDS}
    issue_id = send(daily)
    for name, (state, phase, reply) in ENDS.items():
        where = update(Message).where(Message.recipient_id == made[name].id)
        values = {"state": state, "last_phase": phase, "last_reply": reply, "settled_at": clock.now(), "attempts": 1}
        db.session.execute(where.values(values))
    run = runs.find(db.session.get(Issue, issue_id))
    run.state, run.finished_at = RunState.FINISHED, clock.now()
    db.session.commit()
    time.shift(DAY)
    return made | {"issue": db.session.get(Issue, issue_id), "daily": daily}


def send(of) -> int:
    issue = composing.compose(of)
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    return issue.id


def stop_some(people) -> None:
    """What happened to readers since."""
    suppression.suppress(people["suppressed"].address, SuppressionReason.HARD_BOUNCE)
    for subscription in people["left"].subscriptions:
        subscription.state, subscription.ended_at = SubscriptionState.ENDED, clock.now()
    people["moved"].address = people["moved"].address_key = "moved@readers.example"
    people["paused"].paused_until = clock.now() + DAY
    other = newsletter("other")
    subscribe(people["had since"], "music", to=other)
    send(other)


def states(people) -> dict[str, MessageState]:
    run = runs.find(people["issue"])
    found = {
        message.recipient_id: message.state for message in db.session.scalars(select(Message).filter_by(run_id=run.id))
    }
    return {name: found[people[name].id] for name in ENDS}


def broken() -> list[str]:
    db.session.commit()
    # These readers have no consent on record.
    return [each.rule.name for each in invariants.check() if each.offenders and each.rule.name != "I13"]


@both_engines
def test_who_gets_it_again_and_who_does_not_and_why(people):
    stop_some(people)
    found = resending.review(people["issue"])
    assert len(found.sendable) == len(GO)
    assert found.staying == {"suppressed": 1, "left": 1, "moved": 1, "paused": 1, "had_since": 1, "settled": 1}
    assert found.replies[0] == ("550 5.7.1 not today", 3)
    assert resending.resend(people["issue"], actor="ed") == 2
    now = states(people)
    assert {name for name in ENDS if now[name] is MessageState.QUEUED} == GO
    assert {name: now[name] for name in ENDS if name not in GO} == {n: e[0] for n, e in ENDS.items() if n not in GO}
    assert runs.find(people["issue"]).state is RunState.RUNNING
    assert audit.of(f"issue {people['issue'].id}")[0].after["messages"] == 2
    assert broken() == []
    assert resending.resend(people["issue"], actor="ed") == 0, "harmless twice"
    assert len(list(doubts.listed())) == 1


@both_engines
def test_what_is_sent_again_counts_as_had_and_keeps_its_identity(people):
    before = {message.id: message.message_id for message in db.session.scalars(select(Message))}
    resending.resend(people["issue"], actor="ed")
    other = newsletter("other")
    subscribe(people["refused"], "music", to=other)
    later = send(other)
    assert runs.find(db.session.get(Issue, later)).planned == 0
    assert {message.id: message.message_id for message in db.session.scalars(select(Message))} == before
    assert broken() == []


def test_a_paused_issue_stays_paused_and_one_that_was_cancelled_or_never_left_is_refused(people):
    run = runs.find(people["issue"])
    released_at, run.finished_at, run.paused_reason = run.released_at, None, "By hand."
    for state in (RunState.CANCELLED, RunState.PLANNING, RunState.PAUSED):
        run.state, run.released_at = state, None if state is RunState.PLANNING else released_at
        db.session.flush()
        if state is RunState.PAUSED:
            assert resending.resend(people["issue"], actor="ed") > 0
            assert runs.find(people["issue"]).state is RunState.PAUSED
        else:
            with pytest.raises(errors.Conflict):
                resending.resend(people["issue"], actor="ed")
            assert MessageState.QUEUED not in states(people).values()


@both_engines
def test_the_list_goes_by_state_page_by_page_and_names_each_once(people, monkeypatch):
    run = runs.find(people["issue"])
    for scan in (10_000, 2, 0):
        monkeypatch.setattr(listing, "PAGE", 2)
        monkeypatch.setattr(listing, "_SCAN", scan)
        # With nothing looked at beside, each state is found by its index.
        for state in (None, *MessageState) if scan else tuple(set(MessageState) - {MessageState.SENT}):
            seen, after = [], 0
            while after is not None:
                found = listing.page(run, tally.counts(run), state=state, after=after)
                seen += [message.recipient_id for message in found.messages]
                assert len(found.messages) <= 2
                after = found.further
            expected = [people[name].id for name, end in ENDS.items() if state in (None, end[0])]
            assert seen == sorted(expected), (state, scan)


def test_did_they_get_it(people):
    issue, daily = people["issue"], people["daily"]
    stop_some(people)
    joined, stranger = reader("music", of=daily), reader("art", of=newsletter("third"))
    joined.subscriptions[0].confirmed_at = clock.now()
    db.session.flush()
    assert receipts.ask(issue, f" {people['sent'].address.upper()} ").receipt.state == "sent"
    assert receipts.ask(issue, "nobody@readers.example").reader is None
    assert receipts.ask(issue, joined.address).reason == "They joined after it was sent."
    assert receipts.ask(issue, stranger.address).reason == "They do not read The Daily."
    assert [each.issue.newsletter.slug for each in receipts.of_reader(people["had since"].id)[0]] == ["other", "daily"]
    queue.cancel(runs.find(db.session.get(Issue, issue.id + 1)))
    assert receipts.of_reader(people["had since"].id)[0][0].state == "cancelled"


def test_the_commands_list_look_up_and_send_again(people, app):
    stop_some(people)
    db.session.commit()
    issue_id, address = people["issue"].id, people["refused"].address

    def run(*words: str) -> dict:
        db.session.rollback()
        answer = app.test_cli_runner().invoke(args=["newsletter", "issue", *words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.output)

    assert run("messages", str(issue_id), "--address", address)["message"]["reply"] == "550 5.7.1 not today"
    assert len(run("messages", str(issue_id), "--state", "bounced")["messages"]) == 5
    done = run("resend", str(issue_id), "--yes")
    assert (done["moved"], sum(done["staying"].values())) == (2, 6)
    assert run("messages", str(issue_id), "--address", address)["message"]["state"] == "queued"
