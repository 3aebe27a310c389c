"""The drain: everything due leaves once, whatever happens on the way."""

import itertools
import threading
from collections.abc import Collection
from datetime import timedelta

import pytest
import sqlalchemy

from newsletter import db, errors
from newsletter.outbox import composers, queue, suppression, tally
from newsletter.outbox.models import MessageState, Policy, RunState, SuppressionReason
from newsletter.outbox.parcels import Asked, Told
from newsletter.outbox.replies import Reply
from newsletter.outbox.transports import direct, memory
from tests.conftest import both_engines
from tests.outbox.conftest import compose

pytestmark = both_engines


def test_every_reader_gets_the_message_once_and_the_run_is_finished(post_office):
    run_id = post_office.plan(30)
    transport = memory.Transport()
    assert post_office.drain(transport) == {"sent": 30}
    assert sorted(recipient for recipient, _ in transport.accepted) == sorted(
        f"reader{number}@readers.example" for number in range(1, 31)
    )
    assert post_office.states() == {"sent": 30}
    run = post_office.run(run_id)
    assert (run.state, tally.counts(run)["sent"], run.finished_at is not None) == (RunState.FINISHED, 30, True)
    assert post_office.drain(transport) == {}
    assert len(transport.accepted) == 30


def test_nothing_leaves_before_the_release(post_office):
    post_office.plan(3, release=False)
    assert post_office.drain() == {}
    assert post_office.states() == {"queued": 3}


def test_confirmations_go_ahead_of_an_issue(post_office):
    post_office.adjust(connections=1)
    post_office.plan(20)
    post_office.enqueue()
    transport = memory.Transport()
    post_office.drain(transport)
    assert transport.accepted[0][0] == "asker1@readers.example"


def test_issues_take_turns(post_office):
    post_office.adjust(connections=1, claim_page=5)
    post_office.plan(20, ref=1)
    post_office.plan(20, ref=2)
    transport = memory.Transport()
    post_office.drain(transport)
    first_half = [content for _, content in transport.accepted[:20]]
    assert len({content.split(b".")[0] for content in first_half}) == 2  # Message-IDs begin with the run


def test_the_same_bytes_leave_on_every_attempt(post_office):
    post_office.adjust(retry_first=timedelta(0))
    refusals = iter([Reply("dot", 451, "4.3.0 Later")])
    seen: list[bytes] = []

    def remembering(row: composers.Row) -> composers.Wire | composers.Skipped:
        wire = compose(row)
        assert isinstance(wire, composers.Wire)
        seen.append(wire.content)
        return wire

    post_office.plan(1)
    transport = memory.Transport(lambda phase, _: next(refusals, None) if phase == "dot" else None)
    post_office.drain(transport, remembering)
    post_office.drain(transport, remembering)
    assert len(seen) == 2
    assert seen[0] == seen[1] == transport.accepted[0][1]


def test_one_message_that_cannot_be_written_is_skipped_and_the_others_go(post_office):
    def fragile(row: composers.Row) -> composers.Wire | composers.Skipped:
        if row.recipient_id == 2:
            raise KeyError("headline")
        return composers.Skipped("nothing new") if row.recipient_id == 3 else compose(row)

    run_id = post_office.plan(5)
    assert post_office.drain(compose=fragile) == {"sent": 3, "skipped": 2}
    assert "KeyError" in post_office.message(2).last_reply
    assert post_office.message(3).last_reply == "nothing new"
    assert post_office.run(run_id).state is RunState.FINISHED


def test_when_nothing_can_be_written_the_run_pauses_and_most_readers_wait(post_office):
    def broken(_row: composers.Row) -> composers.Wire:
        raise KeyError("headline")

    run_id = post_office.plan(100)
    post_office.drain(compose=broken)
    run = post_office.run(run_id)
    assert run.state is RunState.PAUSED
    assert "in a row could not be composed" in run.paused_reason
    assert post_office.states() == {"skipped": 10, "queued": 90}


def test_an_address_suppressed_in_the_middle_gets_nothing(post_office):
    """Suppressed while the server waits for the body: the last gate stops it, and no lone dot is sent."""
    post_office.plan(3)

    def answer(phase, recipient):
        if phase == "data" and recipient.startswith("reader2@"):
            _suppress_elsewhere(post_office, "reader2@readers.example")

    transport = memory.Transport(answer)
    assert post_office.drain(transport) == {"sent": 2, "skipped": 1}
    assert post_office.message(2).last_reply == "suppressed"
    assert len(transport.accepted) == 2


def test_a_pause_in_the_middle_lets_nothing_more_leave_and_resuming_goes_on(post_office):
    post_office.adjust(connections=2)
    run_id = post_office.plan(40)
    done = threading.Event()

    def answer(phase, _recipient):
        if phase == "data" and len(transport.accepted) >= 10 and not done.is_set():
            done.set()
            _elsewhere(post_office, "UPDATE run SET state = 'paused', paused_reason = 'wait'")

    transport = memory.Transport(answer)
    post_office.drain(transport)
    # At most one message per connection was past its gate already.
    assert 10 <= len(transport.accepted) <= 12
    assert post_office.states() == {"sent": len(transport.accepted), "queued": 40 - len(transport.accepted)}
    queue.resume(post_office.run(run_id))
    db.session.commit()
    post_office.drain(transport)
    assert (len(transport.accepted), post_office.run(run_id).state) == (40, RunState.FINISHED)


def test_a_cancelled_run_ends_with_every_message_accounted_for(post_office):
    run_id = post_office.plan(40)
    done = threading.Event()

    def answer(phase, _recipient):
        if phase == "data" and len(transport.accepted) >= 10 and not done.is_set():
            done.set()
            _cancel_elsewhere(post_office, run_id)

    transport = memory.Transport(answer)
    post_office.drain(transport)
    counts = post_office.states()
    assert counts["sent"] == len(transport.accepted) < 40
    assert sum(counts.values()) == 40
    assert set(counts) == {"sent", "cancelled"}
    assert post_office.run(run_id).state is RunState.CANCELLED


def test_leaving_takes_the_queued_message_back(post_office):
    run_id = post_office.plan(3)
    assert queue.cancel_for(2) == 1
    assert queue.cancel_for(2) == 0
    db.session.commit()
    assert post_office.drain() == {"sent": 2}
    assert (post_office.message(2).state, post_office.message(2).last_reply) == (MessageState.SKIPPED, "unsubscribed")
    assert post_office.run(run_id).state is RunState.FINISHED


def test_two_drains_at_once_send_nothing_twice(post_office):
    post_office.plan(200)
    transport = memory.Transport()
    drains = [post_office.drainer(transport) for _ in range(2)]
    barrier = threading.Barrier(2)

    def work(one) -> None:
        barrier.wait()
        one.run(until_empty=True, stop=threading.Event())

    threads = [threading.Thread(target=work, args=(one,)) for one in drains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    recipients = [recipient for recipient, _ in transport.accepted]
    assert (len(recipients), len(set(recipients))) == (200, 200)
    assert post_office.states() == {"sent": 200}


def test_a_stopped_drain_finishes_what_is_in_flight_and_gives_back_the_rest(post_office):
    post_office.adjust(connections=2)
    post_office.plan(50)
    stop = threading.Event()

    def answer(phase, _recipient):
        if phase == "dot" and len(transport.accepted) == 5:
            stop.set()

    transport = memory.Transport(answer)
    post_office.drainer(transport).run(until_empty=True, stop=stop)
    counts = post_office.states()
    assert counts == {"sent": len(transport.accepted), "queued": 50 - len(transport.accepted)}
    assert len(transport.accepted) < 20


def test_a_deferred_message_is_not_waited_for_and_leaves_when_it_is_due(post_office):
    run_id = post_office.plan(2)
    transport = memory.Transport(
        lambda phase, recipient: (
            Reply("rcpt", 450, "4.2.0 Greylisted") if phase == "rcpt" and recipient.startswith("reader1@") else None
        )
    )
    assert post_office.drain(transport) == {"sent": 1, "deferred": 1}
    assert post_office.run(run_id).state is RunState.RUNNING
    message = post_office.message(1)
    assert (message.attempts, message.last_code, message.last_reply) == (1, 450, "4.2.0 Greylisted")
    assert post_office.drain() == {}
    post_office.pass_time(timedelta(minutes=6))
    assert post_office.drain() == {"sent": 1}
    assert post_office.run(run_id).state is RunState.FINISHED


def test_what_is_refused_for_a_day_is_given_up_and_the_run_ends(post_office):
    run_id = post_office.plan(1)
    refusing = memory.Transport(lambda phase, _: Reply("rcpt", 450, "Later") if phase == "rcpt" else None)
    waits = []
    for _ in range(40):
        post_office.drain(refusing)
        message = post_office.message(1)
        if message.state is not MessageState.DEFERRED:
            break
        waits.append(message.due_at - message.created_at)
        post_office.pass_time(timedelta(seconds=4001))
    assert message.state is MessageState.EXPIRED
    assert 20 <= message.attempts <= 24  # 24 h at 4000 s, the first waits being shorter
    assert post_office.run(run_id).state is RunState.FINISHED


def test_a_resumed_run_gets_its_whole_lifetime_again(post_office):
    run_id = post_office.plan(2)
    queue.pause(post_office.run(run_id), "We look at it tomorrow.")
    db.session.commit()
    post_office.pass_time(timedelta(days=3))
    assert post_office.drain() == {}
    queue.resume(post_office.run(run_id))
    db.session.commit()
    assert post_office.drain() == {"sent": 2}


@pytest.mark.parametrize("policy", Policy)
def test_a_frozen_worker_sends_nothing_of_what_was_given_to_others(post_office, policy):
    """Frozen between claim and gate, while another takes over and sends everything."""
    post_office.plan(20, policy=policy)
    others, own, composed = memory.Transport(), memory.Transport(), []

    def freezing(row: composers.Row) -> composers.Wire | composers.Skipped:
        composed.append(row.id)
        if len(composed) == 10:
            _elsewhere(post_office, "UPDATE worker SET heartbeat_at = '2020-01-01 00:00:00.000000'")
            post_office.drain(others)
        return compose(row)

    post_office.drain(own, freezing)
    recipients = [recipient for recipient, _ in [*own.accepted, *others.accepted]]
    copies = len(recipients) - len(set(recipients))
    states = post_office.states()
    assert len(others.accepted) > 5
    # In doubt is at most what was between gate and outcome when the worker was given up: one a connection.
    if policy is Policy.HOLD:
        assert copies == 0
        assert states["sent"] + states.get("uncertain", 0) == 20
        assert states.get("uncertain", 0) <= 4
    else:
        assert copies <= 4
        assert states == {"sent": 20}


def test_suppressed_at_a_bounce_and_a_confirmation_may_still_be_asked_for(post_office):
    suppression.suppress("Asker1@Readers.example", SuppressionReason.HARD_BOUNCE)
    post_office.enqueue(1)
    assert post_office.states() == {"skipped": 1}
    queue.enqueue(
        "confirmation", recipient_id=2, address="asker1@readers.example", lifetime=timedelta(1), despite_bounce=True
    )
    db.session.commit()
    assert post_office.drain() == {"sent": 1}
    suppression.suppress("asker1@readers.example", SuppressionReason.COMPLAINT)
    queue.enqueue(
        "confirmation", recipient_id=3, address="asker1@readers.example", lifetime=timedelta(1), despite_bounce=True
    )
    db.session.commit()
    assert post_office.states() == {"skipped": 2, "sent": 1}


@pytest.mark.parametrize("every", [2, 3, 5])
def test_commits_whose_answer_is_lost_cost_nobody_a_message_and_send_nobody_two(post_office, every):
    """The database did it and could not say so: of claims, gates and outcomes alike."""
    run_id, commits = post_office.plan(60), itertools.count(1)

    def lose(connection) -> None:
        if (number := next(commits)) % every == 0 and number < 60:
            connection.connection.commit()
            raise sqlalchemy.exc.OperationalError("COMMIT", None, Exception("the answer was lost"))

    sqlalchemy.event.listen(post_office.engine, "commit", lose)
    transport = memory.Transport()
    post_office.drain(transport)
    recipients = [recipient for recipient, _ in transport.accepted]
    assert (len(recipients), len(set(recipients))) == (60, 60)
    assert post_office.states() == {"sent": 60}
    assert post_office.run(run_id).state is RunState.FINISHED


def test_a_damaged_edition_pauses_the_issue_at_once_and_its_readers_wait(post_office):
    def damaged(row: composers.Row) -> composers.Wire:
        if row.recipient_id == 5:
            raise errors.Damaged
        return compose(row)

    run_id = post_office.plan(20)
    post_office.drain(compose=damaged)
    run = post_office.run(run_id)
    assert (run.state, "not the one that was released" in run.paused_reason) == (RunState.PAUSED, True)
    counts = post_office.states()
    assert (set(counts), sum(counts.values())) == ({"sent", "queued"}, 20)
    assert counts["sent"] <= 4


def _elsewhere(office, statement: str) -> None:
    with office.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _cancel_elsewhere(office, run_id: int) -> None:
    _elsewhere(office, "UPDATE run SET state = 'cancelled'")
    _elsewhere(
        office,
        "UPDATE message SET state = 'cancelled', claimed_by = NULL WHERE state IN ('queued', 'deferred', 'claimed')",
    )


def _suppress_elsewhere(office, address: str) -> None:
    _elsewhere(
        office,
        "INSERT INTO suppression (address, digest, reason, note, created_at) "
        f"VALUES ('{address}', 'x', 'complaint', '', '2026-11-01 00:00:00.000000')",
    )


class _Patient(direct.Courier):
    """Has something to offer again, as after a connection that closed in its turn, while the host rests for a while."""

    def __init__(self, place: direct.Place, rest: int) -> None:
        super().__init__(place)
        self._rest = rest

    def wants(self, connections: int) -> int:
        self._rest -= bool(self._parcels)
        return super().wants(connections)

    def listen(self, seconds: float, *, also: Collection[int] = ()) -> list[Asked | Told]:
        return [] if self._parcels and self._rest > 0 else super().listen(seconds, also=also)


def test_what_is_to_go_again_leaves_although_nothing_else_is_due(post_office):
    post_office.plan(1)
    transport = memory.Transport()
    transport.courier = lambda: _Patient(transport, rest=3)
    stop = threading.Event()
    deadline = threading.Timer(20, stop.set)
    deadline.start()
    assert post_office.drainer(transport).run(until_empty=True, stop=stop) == {"sent": 1}
    assert not stop.is_set()
    deadline.cancel()
