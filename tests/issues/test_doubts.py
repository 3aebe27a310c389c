"""Uncertain messages: listed one by one, settled on somebody's word, sent again only to those who still read."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from newsletter import db
from newsletter.issues import composing, doubts, lifecycle, planning, runs
from newsletter.issues.models import Issue
from newsletter.outbox import doubts as outbox_doubts
from newsletter.outbox import ledger, tally, workers
from newsletter.outbox.models import Message, MessageState, Run, RunState
from newsletter.staff import audit
from tests.conftest import both_engines
from tests.issues.world import article, magazine, newsletter, reader

pytestmark = both_engines

SETTLED = {"state": MessageState.SENT, "last_reply": "250 ok", "attempts": 1}
LOST = {"state": MessageState.UNCERTAIN, "last_reply": "the connection broke", "attempts": 1, "doubts": 1}


@pytest.fixture
def issue(room, time) -> Issue:
    """A finished issue of four readers: the second's and the third's message are uncertain."""
    magazine()
    daily = newsletter()
    article("music")
    for _ in range(4):
        reader("music", of=daily)
    made = composing.compose(daily)
    lifecycle.approve(made, actor="ed")
    lifecycle.send_now(made, actor="ed")
    db.session.commit()
    planning.release(made.id)
    ids = db.session.scalars(select(Message.id).order_by(Message.id)).all()
    for place, message_id in enumerate(ids):
        values = (LOST if place in (1, 2) else SETTLED) | {"settled_at": made.released_at, "dated_at": made.released_at}
        db.session.execute(update(Message).where(Message.id == message_id).values(values))
    run = runs.find(made)
    run.state, run.finished_at = RunState.FINISHED, made.released_at
    db.session.commit()
    time.shift(timedelta(days=3))
    return made


@pytest.fixture
def lost(issue) -> list[int]:
    return [message.id for message in outbox_doubts.listed()]


def entries(issue: Issue) -> list[tuple[str, str, dict]]:
    return [
        (line.actor, line.action, line.after)
        for line in reversed(audit.of(f"issue {issue.id}"))
        if line.action.startswith("uncertain")
    ]


def test_evidence_settles_a_message_once_and_is_kept(issue, lost):
    for _ in range(2):
        outcome = doubts.settle(lost[:1], as_=MessageState.SENT, evidence="clicked a link", actor="tracking")
    assert outcome.stayed == {lost[0]: "it is not uncertain"}
    settled = db.session.get(Message, lost[0])
    assert (settled.state, settled.last_reply) == (MessageState.SENT, "clicked a link")
    assert outbox_doubts.count() == 1
    assert entries(issue) == [
        ("tracking", "uncertain settled as sent", {"messages": lost[:1], "evidence": "clicked a link"})
    ]


def test_a_settled_message_never_moves_again(issue, lost):
    doubts.settle(lost, as_=MessageState.BOUNCED, evidence="a DSN came back", actor="ed")
    assert doubts.settle(lost, as_=MessageState.SENT, evidence="?", actor="ed").moved == []
    assert doubts.resend(lost, actor="ed").moved == []
    assert tally.counts(runs.find(issue))["bounced"] == 2
    assert runs.find(issue).state is RunState.FINISHED


def test_a_message_sent_again_is_the_same_message_and_its_finished_run_goes_on(issue, lost, database_url):
    before = db.session.get(Message, lost[0])
    identity = (before.message_id, before.dated_at, before.ref)
    assert doubts.resend(lost, actor="ed").moved == lost
    db.session.commit()
    run_id = runs.find(issue).id
    assert lifecycle.shown_state(issue) == "sending"
    db.session.rollback()
    engine = db.make_engine(database_url)
    with engine.begin() as connection:
        worker_id = workers.start(connection)
        # The issue is days old: its lifetime has begun anew.
        assert ledger.expire(connection) == 0
        page = ledger.claim(connection, worker_id, ["issue"], limit=10)
        assert [claim.row.id for claim in page.claims] == lost
        assert (page.claims[0].row.message_id, page.claims[0].row.dated_at, page.claims[0].row.ref) == identity
        assert ledger.finish_runs(connection) == []
        connection.execute(update(Message.__table__).values(state="sent", claimed_by=None, settled_at=identity[1]))
        assert ledger.finish_runs(connection) == [run_id]
    engine.dispose()
    assert entries(issue) == [("ed", "uncertain sent again", {"messages": lost})]


def test_a_reader_who_left_and_a_cancelled_issue_get_nothing_more(issue, lost):
    left = db.session.get(Message, lost[0]).recipient_id
    db.session.execute(
        update(db.Base.metadata.tables["subscription"])
        .values(state="ended")
        .where(db.Base.metadata.tables["subscription"].c.subscriber_id == left)
    )
    outcome = doubts.resend(lost[:1], actor="ed")
    assert (outcome.moved, outcome.stayed) == ([], {lost[0]: "its reader has left"})
    assert lifecycle.shown_state(issue) == "sent"
    db.session.execute(update(Run).values(state=RunState.CANCELLED, finished_at=None))
    outcome = doubts.resend(lost[1:], actor="ed")
    assert (outcome.moved, outcome.stayed) == ([], {lost[1]: "its run was cancelled"})
    assert runs.find(issue).state is RunState.CANCELLED
    assert entries(issue) == []


def test_the_commands_list_settle_and_ask_before_a_second_copy(issue, lost, app):
    runner, of_issue = app.test_cli_runner(), ["--issue", str(issue.id)]
    db.session.rollback()

    def run(*arguments, **options):
        return runner.invoke(args=["newsletter", "uncertain", *arguments], **options)

    listed = json.loads(run("list", "--json").stdout)["uncertain"]
    assert [(row["message"], row["reply"]) for row in listed] == [(each, "the connection broke") for each in lost]
    assert run("list", *of_issue).stdout.count("the connection broke") == 2
    for wrong in ([], ["--all"], [*of_issue], [str(lost[0]), *of_issue, "--all"]):
        assert "Name the messages, or all of an issue" in run("resend", "--yes", *wrong).stderr
    assert "Say --sent or --bounced" in run("settle", str(lost[0])).stderr
    assert json.loads(run("settle", str(lost[0]), "--sent", "--note", "she rang", "--json").stdout) == {
        "moved": [lost[0]],
        "stayed": [],
    }
    refused = run("resend", *of_issue, "--all", input="n\n")
    assert "Send 1 again? Readers who have received theirs get a second copy." in refused.stderr
    assert refused.exit_code == 1
    assert run("resend", *of_issue, "--all", input="y\n").stdout == "1 queued again.\n"
    assert json.loads(run("list", "--json").stdout)["uncertain"] == []
    db.session.rollback()
    assert entries(issue)[0][2]["evidence"] == "settled by an editor: she rang"
    assert [entry[:2] for entry in entries(issue)] == [
        ("command line", "uncertain settled as sent"),
        ("command line", "uncertain sent again"),
    ]
