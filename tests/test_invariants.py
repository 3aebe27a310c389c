"""`check`: silent on a healthy database, and on a broken one it names the broken rule and no other."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from newsletter import db, invariants
from newsletter.articles.models import Article
from newsletter.audience import consent
from newsletter.audience.models import ConsentKind, Subscriber
from newsletter.issues.models import Edition, EditionArticle, EditionPart, Issue, IssueState, Occurrence
from newsletter.outbox import suppression
from newsletter.outbox.models import (
    Message,
    MessageState,
    Policy,
    Run,
    RunState,
    Suppression,
    SuppressionReason,
    Worker,
)
from tests.conftest import both_engines
from tests.issues import world

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)

# Messages 1 to 4 belong to the finished issue 1, 5 to 8 to the running issue 2, 9 to the confirmations.
BREAKS = {
    "I1": "UPDATE message SET recipient_id = 1, state = 'bounced' WHERE id = 2",
    "I1b": "UPDATE message SET run_id = 99 WHERE id = 9",
    "I2": "UPDATE run SET planned = 5 WHERE id = 2",
    "I3": "UPDATE message SET state = 'queued', settled_at = NULL WHERE id = 1",
    "I3b": "UPDATE run SET released_at = NULL, state = 'cancelled' WHERE id = 2;"
    " UPDATE issue SET state = 'cancelled' WHERE id = 2",
    "I7": "UPDATE message SET state = 'failed' WHERE id = 5",
    "I8": "UPDATE message SET message_id = '<2@magazine.example>' WHERE id = 1",
    "I9": "UPDATE suppression SET created_at = '2020-01-01 00:00:00+00:00'",
    "I10": "UPDATE message SET settled_at = NULL WHERE id = 1",
    "I10b": "UPDATE message SET settled_at = due_at WHERE id = 5",
    "I11": "UPDATE message SET ref = 2 WHERE id = 3; UPDATE edition SET readers = 3 WHERE id = 1",
    "I13": "UPDATE message SET recipient_id = 5 WHERE id = 2",
    "I14": "UPDATE occurrence SET local_on = '2026-01-01'",
    "I14b": "UPDATE issue SET state = 'approved' WHERE id = 2",
    "I15": "UPDATE message SET claimed_by = NULL WHERE id = 6",
    "I15b": "UPDATE worker SET heartbeat_at = '2020-01-01 00:00:00+00:00'",
    "I17": "UPDATE edition SET readers = 9 WHERE id = 1",
    "I18": "UPDATE article SET withdrawn_at = '2026-01-01 00:00:00+00:00' WHERE id = 2",
    "run": "UPDATE run SET finished_at = NULL WHERE id = 1",
    "due": "UPDATE message SET due_at = '2050-01-01 00:00:00+00:00' WHERE id = 5",
    "once": "UPDATE edition_article SET article_id = 1 WHERE edition_id = 2 AND part = 'story'",
}


@pytest.fixture
def database(room) -> None:
    """Two issues, one finished and one under way, with a message in every state, and a confirmation sent."""
    world.magazine()
    daily = world.newsletter()
    for number in (1, 2):
        world.article("music")
        db.session.add(Occurrence(newsletter_id=daily.id, local_on=(NOW + number * 24 * HOUR).date(), due_at=NOW))
    db.session.flush()
    for _ in range(4):
        reader = world.reader("music", of=daily)
        consent.record(ConsentKind.CONFIRMED, reader, [], consent.Origin("link"))
    reader_ids = list(db.session.scalars(sa.select(Subscriber.id).order_by(Subscriber.id)))
    world.reader("music", of=daily)  # never said a word, and gets nothing
    article_ids = list(db.session.scalars(sa.select(Article.id).order_by(Article.id)))
    worker = Worker(host="here", pid=1, started_at=NOW, heartbeat_at=NOW + HOUR)
    db.session.add(worker)
    db.session.flush()
    states = [
        [MessageState.SENT, MessageState.SENT, MessageState.BOUNCED, MessageState.UNCERTAIN],
        [MessageState.QUEUED, MessageState.SENDING, MessageState.DEFERRED, MessageState.SENT],
    ]
    for number, run_state in ((1, RunState.FINISHED), (2, RunState.RUNNING)):
        issue = Issue(newsletter_id=daily.id, number=number, state=IssueState.RELEASED, occurrence_id=number)
        issue.cutoff_at = issue.look_back_from = issue.created_at = NOW
        db.session.add(issue)
        db.session.flush()
        edition = Edition(issue_id=issue.id, key="k", readers=4, subject="s", plate=b"p", content_hash="c")
        edition.stories = [
            EditionArticle(article_id=article_ids[number - 1], part=EditionPart.STORY),
            EditionArticle(article_id=article_ids[0], part=EditionPart.READ_NEXT),
        ]
        db.session.add(edition)
        db.session.flush()
        run = _run("issue", issue.id, run_state, planned=4)
        for reader_id, state in zip(reader_ids, states[number - 1], strict=True):
            _message(run, reader_id, state, ref=edition.id, worker_id=worker.id)
    _message(_run("confirmation", 0, RunState.RUNNING, is_stream=True), 1, MessageState.SENT)
    # Paused in good order, and empty: an issue of no reader.
    _run("notice", 1, RunState.PAUSED, paused_reason="Paused by ed.")
    address = db.session.scalars(sa.select(Message.address_key).where(Message.id == 1)).one()
    suppression = Suppression(address=address, digest="d", reason=SuppressionReason.COMPLAINT, created_at=NOW)
    db.session.add(suppression)
    db.session.commit()


def _run(kind: str, ref: int, state: RunState, **values) -> Run:
    run = Run(
        kind=kind,
        ref=ref,
        state=state,
        policy=Policy.HOLD,
        lifetime_seconds=86400,
        created_at=NOW,
        released_at=NOW,
        running_since=NOW,
        finished_at=NOW if state is RunState.FINISHED else None,
        **values,
    )
    db.session.add(run)
    db.session.flush()
    return run


def _message(run: Run, recipient_id: int, state: MessageState, *, ref=None, worker_id=None) -> None:
    number = (db.session.scalar(sa.select(sa.func.max(Message.id))) or 0) + 1
    is_open = state in (MessageState.QUEUED, MessageState.SENDING, MessageState.DEFERRED)
    message = Message(
        run_id=run.id,
        recipient_id=recipient_id,
        ref=ref,
        address=f"r{recipient_id}@readers.example",
        address_key=f"r{recipient_id}@readers.example",
        domain="readers.example",
        message_id=f"<{number}@magazine.example>",
        state=state,
        due_at=NOW,
        claimed_by=worker_id if state is MessageState.SENDING else None,
        created_at=NOW,
        settled_at=None if is_open else NOW,
    )
    db.session.add(message)
    db.session.flush()


def _break(statement: str) -> None:
    """Break the database as no program should, past its constraints."""
    connection = db.session.connection()
    if connection.dialect.name == "sqlite":
        for table in ("message", "occurrence"):
            connection.exec_driver_sql(f"CREATE TABLE copied AS SELECT * FROM {table}")
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO old_{table}")
            connection.exec_driver_sql(f"ALTER TABLE copied RENAME TO {table}")
        statement = statement.replace("+00:00", ".000000")
    else:
        for table in ("message", "occurrence"):
            found = sa.inspect(connection)
            for constraint in [*found.get_foreign_keys(table), *found.get_unique_constraints(table)]:
                connection.exec_driver_sql(f'ALTER TABLE {table} DROP CONSTRAINT "{constraint["name"]}"')
    for each in statement.split(";"):
        connection.exec_driver_sql(each)
    db.session.commit()


def _broken() -> dict[str, list[str]]:
    return {finding.rule.name: sorted(finding.offenders) for finding in invariants.check() if finding.offenders}


@both_engines
def test_a_healthy_database_breaks_no_rule(database):
    assert _broken() == {}


def test_every_rule_is_tried():
    assert [rule.name for rule in invariants.RULES] == list(BREAKS)


@both_engines
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_named_and_no_other(database, name):
    _break(BREAKS[name])
    assert list(_broken()) == [name]


@both_engines
def test_the_command_says_who_breaks_what_and_fails(database, app):
    _break(BREAKS["I10"])
    runner = app.test_cli_runner()
    done = runner.invoke(args=["newsletter", "check"])
    assert done.exit_code == 1
    promise = "A message that reached its end says when, and nobody holds it."
    assert f"BROKEN  I10   {promise} Broken by message 1.\n" in done.stdout
    assert done.stdout.count("BROKEN") == 1
    told = json.loads(runner.invoke(args=["newsletter", "check", "--json"]).stdout)
    assert told["broken"] == [{"rule": "I10", "who": "message", "offenders": ["1"]}]


@both_engines
def test_what_was_on_the_wire_when_its_address_was_suppressed_breaks_nothing(database):
    db.session.execute(sa.update(Suppression).values(created_at=NOW - timedelta(minutes=9)))
    db.session.commit()
    assert _broken() == {}
    db.session.execute(sa.update(Suppression).values(created_at=NOW - HOUR))
    db.session.commit()
    assert _broken() == {"I9": ["1", "9"]}
    db.session.execute(sa.update(Suppression).values(lifted_at=NOW - HOUR / 2))
    db.session.commit()
    assert _broken() == {}


@both_engines
def test_what_is_written_while_it_reads_is_seen_whole_or_not_at_all(room):
    count = sa.select(sa.func.count(Suppression.id))

    def complain():
        with room.app_context():
            suppression.suppress("late@readers.example", SuppressionReason.COMPLAINT)
            db.session.commit()

    with ThreadPoolExecutor(1) as somebody_else, db.reading():
        db.session.rollback()
        before = db.session.scalar(count)
        somebody_else.submit(complain).result()
        assert db.session.scalar(count) == before
        db.session.rollback()
        assert db.session.scalar(count) == before + 1
        db.session.rollback()
