"""The table of moves: whatever the outbox does, to whatever it finds, no message goes where the table forbids."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from newsletter import clock, db
from newsletter.outbox import doubts, failures, ledger, queue, rounds, settling, states, throttle, workers
from newsletter.outbox.models import Message, MessageState, Run
from newsletter.outbox.replies import Fate, Reply, Verdict
from tests.conftest import both_engines

ENDS = frozenset(MessageState) - states.OPEN
LONG_AGO = timedelta(days=400)


def test_an_end_is_final_but_for_doubt_and_what_nobody_has():
    again = {MessageState.BOUNCED, MessageState.EXPIRED}
    for state in ENDS - {MessageState.UNCERTAIN} - again:
        assert states.MESSAGE_MOVES[state] == frozenset()
    for state in again:
        assert states.MESSAGE_MOVES[state] == {MessageState.QUEUED}
    assert states.MESSAGE_MOVES[MessageState.UNCERTAIN] == {
        MessageState.SENT,
        MessageState.BOUNCED,
        MessageState.QUEUED,
    }


def _settle(verdict, phase):
    def act(connection, worker_id, ids):
        reply = Reply(phase, 250 if verdict is Fate.SENT else 450)
        run_id = connection.execute(sa.select(Run.id)).scalar_one()
        settling.settle(
            connection, worker_id, [settling.Settlement(each, run_id, reply, Verdict(verdict, "why")) for each in ids]
        )

    return act


# What the engine does on a connection of its own: (connection, worker id, message ids).
BY_ENGINE = {
    "claim": lambda connection, worker_id, ids: ledger.claim(connection, worker_id, ["issue"], limit=50),
    "intend": ledger.intend,
    "turn back": ledger.turn_back,
    "expire": lambda connection, worker_id, ids: ledger.expire(connection),
    "finish": lambda connection, worker_id, ids: ledger.finish_runs(connection),
    "end a worker": lambda connection, worker_id, ids: workers.end(connection, worker_id),
    "hold back": lambda connection, worker_id, ids: throttle.hold_back(
        connection, worker_id, throttle.Admitted([], dict.fromkeys(ids, clock.now()))
    ),
    "give back": lambda connection, worker_id, ids: throttle.hold_back(
        connection, worker_id, throttle.Admitted([], back=list(ids))
    ),
    **{f"settle as {fate}": _settle(fate, "dot" if fate is not Fate.NOT_SENT else "rcpt") for fate in Fate},
}

# What rooms do in the session: (run, message ids).
BY_ROOMS = {
    "cancel": lambda run, ids: queue.cancel(run),
    "leave": lambda run, ids: [queue.cancel_for(number) for number in range(1, len(MessageState) + 1)],
    "settle a doubt as sent": lambda run, ids: doubts.settle(ids, as_=MessageState.SENT, evidence="?"),
    "settle a doubt as bounced": lambda run, ids: doubts.settle(ids, as_=MessageState.BOUNCED, evidence="?"),
    "send again": lambda run, ids: doubts.resend(ids),
    "send what failed again": failures.resend,
}


@pytest.fixture
def held(post_office) -> tuple[int, int, list[int]]:
    """An old run with one message in each state, those under way held by one worker: run, worker and message ids."""
    run_id = post_office.plan(len(MessageState))
    db.session.rollback()
    long_ago = clock.now() - LONG_AGO
    with post_office.engine.begin() as connection:
        worker_id = workers.start(connection)
        ids = list(connection.execute(sa.select(Message.id).order_by(Message.id)).scalars())
        for message_id, state in zip(ids, MessageState, strict=True):
            is_held = state in (MessageState.CLAIMED, MessageState.SENDING)
            values = {"state": state, "claimed_by": worker_id if is_held else None, "created_at": long_ago}
            values |= {"due_at": long_ago, "settled_at": long_ago if state in ENDS else None}
            connection.execute(sa.update(Message).where(Message.id == message_id).values(values))
        connection.execute(sa.update(Run).values(running_since=long_ago))
    return run_id, worker_id, ids


def _moves(post_office) -> set[tuple[MessageState, MessageState]]:
    found = {message.recipient_id: message.state for message in post_office.messages()}
    pairs = {(before, found[place]) for place, before in enumerate(MessageState, start=1)}
    return {(before, after) for before, after in pairs if before is not after}


def _assert_allowed_to_the_engine(moves) -> None:
    _assert_allowed(moves)
    # Out of its end the engine takes no message, in doubt or not.
    assert {before for before, _ in moves} <= states.OPEN


def _assert_allowed(moves: set[tuple[MessageState, MessageState]]) -> None:
    for before, after in moves:
        # A claim of a deferred message is two moves: queued when due, then claimed.
        by_way_of = {before} | ({MessageState.QUEUED} if before is MessageState.DEFERRED else set())
        assert any(after in states.MESSAGE_MOVES[state] for state in by_way_of), (before, after)


@both_engines
@pytest.mark.parametrize("act", BY_ENGINE)
def test_the_engine_moves_no_message_where_the_table_forbids(post_office, held, act):
    _run_id, worker_id, ids = held
    with post_office.engine.begin() as connection:
        BY_ENGINE[act](connection, worker_id, ids)
    _assert_allowed_to_the_engine(_moves(post_office))


@both_engines
def test_an_ordinary_round_moves_no_message_where_the_table_forbids(post_office, held):
    _run_id, worker_id, ids = held
    writer = rounds.of(post_office.engine)
    writer.begin(worker_id, [(each, 250, 'say "ok", \\ and {é}') for each in ids], ids)
    count, granted = writer.result()
    writer.close()
    assert (count, len(granted)) == (1, 1)
    assert [each.last_reply for each in post_office.messages() if each.last_reply] == ['say "ok", \\ and {é}']
    _assert_allowed_to_the_engine(_moves(post_office))


@both_engines
@pytest.mark.parametrize("act", BY_ROOMS)
def test_no_room_moves_a_message_where_the_table_forbids(post_office, held, act):
    run_id, _worker_id, ids = held
    BY_ROOMS[act](db.session.get_one(Run, run_id), ids)
    db.session.commit()
    moves = _moves(post_office)
    assert moves
    _assert_allowed(moves)
