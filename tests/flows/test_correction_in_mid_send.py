"""Wrong after the approval, in the middle of a real sending: it stops, is corrected, approved, and goes on."""

import dataclasses
import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select

from newsletter import clock, db, errors, settings
from newsletter.articles.correcting import Words
from newsletter.issues import amending, composing, corrections, lifecycle, planning, progress, runs
from newsletter.issues.editing import Hand
from newsletter.outbox import composers
from newsletter.outbox.drain import Drain
from newsletter.outbox.models import Message, MessageState
from newsletter.outbox.transports import smtp
from newsletter.publication.models import Approval
from tests.conftest import both_engines
from tests.issues import world
from tests.outbox import smtp_server
from tests.outbox.smtp_server import Rule

READERS, CONNECTIONS = 60, 2
GONE, WRONG, RIGHT, STAYS = (
    "The vase that was never made",
    "He was 12 at the time",
    "He was 31 at the time",
    "A quiet one",
)
ED = Hand("ed@magazine.example")


@contextmanager
def worker(app, engine, server):
    """A delivery worker at work until the end of the block."""
    stop = threading.Event()
    chosen = dataclasses.replace(settings.current(), smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none")

    def work():
        with app.app_context():
            Drain(engine, smtp.from_settings(chosen), compose=composers.compose).run(until_empty=False, stop=stop)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def until(happened, what):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def in_state(issue, *states):
    db.session.rollback()
    found = db.session.scalars(
        select(Message).where(Message.run_id == runs.find(issue).id, Message.state.in_(states))
    ).all()
    refs = {message.address: message.ref for message in found}
    db.session.rollback()
    return refs


@pytest.fixture
def issue(room, configured):
    quick = {"retry_first": timedelta(seconds=0.3), "command_time": timedelta(seconds=2)}
    settings.use(dataclasses.replace(configured, connections=CONNECTIONS, **quick))
    world.magazine()
    daily = world.newsletter(carries=("music", "art"), approval=Approval.ONE)
    before = clock.now() - timedelta(hours=1)
    for headline, topic, hypes in ((GONE, "art", 9), (WRONG, "music", 5), (STAYS, "music", 1)):
        world.article(topic, headline=headline, hypes=hypes, ready_at=before)
    for number in range(READERS):
        world.reader(*(("art",) if number % 10 == 7 else ("music", "art")), of=daily)
    made = composing.compose(daily)
    lifecycle.approve(made, actor="ed")
    db.session.commit()
    planning.release(made.id)
    yield made
    settings.use(configured)


@both_engines
def test_after_the_correction_no_old_word_leaves_and_nobody_gets_it_twice(app, issue, database_url):
    stories = {each.article.headline: each.article_id for each in issue.entries}
    addresses = list(in_state(issue, MessageState.QUEUED))
    rules = [
        Rule("rcpt", "451 4.3.0 Later", match=addresses[1], last=3),
        Rule("dot", smtp_server.ACCEPT_THEN_DROP, match=addresses[2]),
    ]
    engine = db.make_engine(database_url)
    with smtp_server.Server(rules=rules, delay=0.06) as server:
        with worker(app, engine, server):
            until(lambda: len(server.accepted) >= 8, "the first mails")
            seen = len(server.accepted)
            found = corrections.withdraw(stories[GONE], reason="The museum denies it.", hand=ED)
            corrections.correct(stories[WRONG], Words(headline=RIGHT), reason="A slip.", hand=ED)
            db.session.commit()
            assert [each.state for each in found] == ["sending"]
            until(lambda: not in_state(issue, MessageState.CLAIMED, MessageState.SENDING), "the stop")
            # What was on the wire, and what a connection had begun while this test was counting.
            assert len(server.accepted) <= seen + 3 * CONNECTIONS
            old = list(server.accepted)
            uncertain = in_state(issue, MessageState.UNCERTAIN)
            assert list(uncertain) == [addresses[2]]
            reach = amending.reach(issue, stories[GONE])
            assert (reach.had, reach.uncertain, reach.deferred) == (len(old) - 1, 1, 1)
            assert reach.waiting == READERS - reach.had - 2
            with pytest.raises(errors.Conflict):
                lifecycle.resume(issue, actor="ed")
            db.session.rollback()
            time.sleep(0.5)
            assert len(server.accepted) == len(old), "while it is paused nothing leaves, deferred or not"

            answer = app.test_cli_runner().invoke(args=["newsletter", "issue", "correct", str(issue.id), "--json"])
            assert json.loads(answer.output)["corrected"], answer.output
            until(lambda: progress.status(issue)["state"] == "sent" or db.session.rollback(), "the end")
        new = server.accepted[len(old) :]
        assert not server.complaints
    db.session.rollback()
    assert all(GONE in words(each) and WRONG in words(each) for each in old)
    assert not any(GONE in words(each) or WRONG in words(each) for each in new)
    assert all(RIGHT in words(each) for each in new)
    assert addresses[1] in {each["rcpt"] for each in new}, "the deferred one has the new words"
    assert max(Counter(each["rcpt"] for each in server.accepted).values()) == 1
    assert in_state(issue, MessageState.UNCERTAIN) == uncertain
    counts = progress.status(issue)
    skipped = in_state(issue, MessageState.SKIPPED)
    assert counts["sent"] + counts["uncertain"] + counts["skipped"] == READERS == len(server.accepted) + len(skipped)
    db.session.rollback()
    engine.dispose()


def words(letter):
    mail = message_from_bytes(letter["body"], policy=policy.default)
    return f"{mail['Subject']} {mail.get_body(('plain',)).get_content()} {mail.get_body(('html',)).get_content()}"
