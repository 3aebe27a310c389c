"""Rows into streams and runs, and a run's way."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from newsletter import db, errors, signing
from newsletter.outbox import queue, suppression, tally
from newsletter.outbox.models import Message, MessageState, Policy, RunState, SuppressionReason
from tests.conftest import both_engines

pytestmark = both_engines

DAY = timedelta(days=1)


def test_the_same_recipient_in_a_stream_or_a_run_is_one_message(room):
    first = queue.enqueue("confirmation", recipient_id=1, address="Ann@Readers.example", lifetime=DAY)
    again = queue.enqueue("confirmation", recipient_id=1, address="other@readers.example", lifetime=DAY)
    assert (first.id, again.address) == (again.id, "Ann@Readers.example")
    run = _run()
    assert queue.add(run, [_planned(1), _planned(2), _planned(2)]) == 2
    assert queue.add(run, [_planned(2), _planned(3)]) == 1
    db.session.commit()
    assert (run.planned, tally.counts(run)["queued"]) == (3, 3)
    assert set(tally.counts(run)) == {state.value for state in MessageState}


def test_message_ids_are_unique_and_of_the_senders_domain(room):
    run = _run()
    queue.add(run, [_planned(number) for number in range(100)])
    found = db.session.scalars(db.extension.select(queue.Message.message_id)).all()
    assert len(set(found)) == 100
    assert all(each.startswith(f"<{run.id}.") and each.endswith("@magazine.example>") for each in found)


def test_the_database_plans_messages_as_they_are_planned_one_by_one(room):
    addresses = ["ann@readers.example", '"b@c"@post.example', "cy@mail.example"]
    one_by_one, by_query = _run(1), _run(2)
    queue.add(one_by_one, [queue.Planned(number, each, 7) for number, each in enumerate(addresses)])
    written = select(Message.recipient_id, Message.address, Message.address_key, Message.ref)
    assert queue.add_from(by_query, written.where(Message.run_id == one_by_one.id)) == 3
    first, second = ([*db.session.query(Message).filter_by(run_id=run.id)] for run in (one_by_one, by_query))
    assert [each.domain for each in second] == ["readers.example", "post.example", "mail.example"]
    names = ("recipient_id", "ref", "address", "address_key", "domain", "state", "attempts", "despite_bounce")
    assert [[getattr(each, name) for name in names] for each in first] == [
        [getattr(each, name) for name in names] for each in second
    ]


def test_no_message_id_tells_anything_of_another(room):
    written = select(Message.recipient_id, Message.address, Message.address_key, Message.ref)
    first, *runs = (_run(number) for number in range(1, 5))
    queue.add(first, [_planned(number) for number in range(100)])
    for run in runs:
        queue.add_from(run, written.where(Message.run_id == first.id))
    shape = r"<\d+\.\d+\.([0-9a-f]{16})@magazine\.example>"
    letters = [re.fullmatch(shape, each)[1] for each in db.session.scalars(select(Message.message_id))]
    assert len(set(letters)) == len(letters) == 400


def test_an_address_is_sent_as_given_and_held_against_suppressions_canonically(room):
    message = queue.enqueue("confirmation", recipient_id=1, address="Jürgen@BÜCHER.example", lifetime=DAY)
    assert message.address == "Jürgen@BÜCHER.example"
    assert (message.address_key, message.domain) == ("jürgen@xn--bcher-kva.example", "xn--bcher-kva.example")
    suppression.suppress("jürgen@xn--bcher-kva.example", SuppressionReason.REQUEST)
    assert suppression.is_suppressed("JÜRGEN@bücher.example")
    assert suppression.key_of(message.address_key) == message.address_key


def test_what_is_no_address_is_refused(room):
    with pytest.raises(errors.BadInput):
        queue.add(_run(), [queue.Planned(1, "nobody")])


def test_a_run_moves_only_as_its_table_says(room):
    run = _run()
    _refuses(run, queue.resume, queue.pause)
    queue.add(run, [_planned(1), _planned(2)])
    queue.release(run)
    _refuses(run, queue.release, queue.resume)
    with pytest.raises(errors.Conflict):
        queue.add(run, [_planned(3)])
    queue.pause(run, "Wait.")
    assert (run.state, run.paused_reason) == (RunState.PAUSED, "Wait.")
    _refuses(run, queue.pause, queue.release)
    queue.resume(run)
    assert (run.state, run.paused_reason) == (RunState.RUNNING, "")
    queue.cancel(run)
    assert tally.counts(run)["cancelled"] == 2
    _refuses(run, queue.cancel, queue.resume, queue.pause, queue.release)


def test_a_run_whose_rows_do_not_add_up_is_not_released(room):
    run = _run()
    queue.add(run, [_planned(1), _planned(2)])
    run.planned = 3
    db.session.flush()
    with pytest.raises(errors.Conflict):
        queue.release(run)


def test_a_stream_is_never_paused_or_cancelled(room):
    queue.enqueue("confirmation", recipient_id=1, address="a@readers.example", lifetime=DAY)
    stream = queue.find_run("confirmation")
    assert stream is not None
    assert stream.state is RunState.RUNNING
    _refuses(stream, queue.pause, queue.cancel)


def test_leaving_skips_what_is_queued_in_the_runs_named(room):
    runs = [_run(ref) for ref in (1, 2)]
    for run in runs:
        queue.add(run, [_planned(5), _planned(6)])
    assert queue.cancel_for(5, refs=[2]) == 1
    assert [tally.counts(run)["skipped"] for run in runs] == [0, 1]
    assert queue.cancel_for(5) == 1
    assert queue.cancel_for(5) == 0


def test_a_weightier_suppression_replaces_a_lighter_one_and_history_stays(room):
    suppression.suppress("a@readers.example", SuppressionReason.HARD_BOUNCE, "550")
    suppression.suppress("A@readers.example", SuppressionReason.COMPLAINT)
    suppression.suppress("a@readers.example", SuppressionReason.HARD_BOUNCE)
    present = suppression.find("a@readers.example")
    assert present is not None
    assert present.reason is SuppressionReason.COMPLAINT
    assert len(suppression.page(in_force=False)) == 2
    assert suppression.lift("a@readers.example", "asked by letter")
    assert not suppression.is_suppressed("a@readers.example")
    assert not suppression.lift("a@readers.example", "again")
    assert suppression.count() == 0


def test_an_erased_address_is_found_by_its_digest_alone(room):
    one = suppression.suppress("a@readers.example", SuppressionReason.ERASURE)
    one.address = None
    db.session.flush()
    assert suppression.is_suppressed("A@Readers.example")
    assert one.digest in signing.digests("suppression", "a@readers.example")
    # It blocks imports and staff, not the person.
    message = queue.enqueue("confirmation", recipient_id=1, address="a@readers.example", lifetime=DAY)
    assert message.state is MessageState.QUEUED


def _run(ref: int = 1):
    return queue.open_run("issue", ref, policy=Policy.HOLD, lifetime=DAY)


def _planned(number: int) -> queue.Planned:
    return queue.Planned(number, f"reader{number}@readers.example")


def _refuses(run, *moves) -> None:
    for move in moves:
        state = run.state
        with pytest.raises(errors.Conflict):
            move(run, "reason") if move is queue.pause else move(run)
        assert run.state is state
