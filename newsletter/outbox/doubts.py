"""Messages whose fate is unknown: listed one by one, settled by evidence, or sent again when an editor says so.

These are the only moves out of an end (states.MESSAGE_MOVES); each is harmless twice.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, func, select, update

from newsletter import clock, db, errors
from newsletter.outbox.models import Message, MessageState, Run, RunState

PAGE = 50
_CHUNK = 500  # ids in one statement


def listed(*, run_id: int | None = None) -> Iterator[Message]:
    """The uncertain messages, of one run or of all, by id."""
    after = 0
    while page := db.session.scalars(
        _uncertain(run_id).where(Message.id > after).order_by(Message.id).limit(_CHUNK)
    ).all():
        yield from page
        after = page[-1].id


def page(run_id: int, *, after: int = 0) -> list[Message]:
    """Up to PAGE uncertain messages of a run with ids above `after`, and one more when there are more."""
    rows = _uncertain(run_id).where(Message.id > after).order_by(Message.id).limit(PAGE + 1)
    return list(db.session.scalars(rows))


def by_run() -> dict[int, int]:
    """How many messages of each run are uncertain, of the runs that have any."""
    rows = select(Message.run_id, func.count()).where(_IS_UNCERTAIN).group_by(Message.run_id)
    return {run_id: int(number) for run_id, number in db.session.execute(rows)}


def count(*, run_id: int | None = None) -> int:
    """How many messages are uncertain, of one run or of all."""
    return db.session.scalar(select(func.count()).select_from(_uncertain(run_id).subquery())) or 0


def find(message_ids: Sequence[int]) -> list[Message]:
    """Those of these messages that are uncertain, by id."""
    found: list[Message] = []
    for chunk in _chunks(message_ids):
        found += db.session.scalars(_uncertain(None).where(Message.id.in_(chunk)).order_by(Message.id))
    return found


def settle(message_ids: Sequence[int], *, as_: MessageState, evidence: str) -> dict[int, list[int]]:
    """Say what became of uncertain messages: sent, or bounced; `evidence` is kept with each, in words.

    Those that are not uncertain stay as they are. Returns the ids moved, by run.
    """
    if as_ not in (MessageState.SENT, MessageState.BOUNCED):
        raise errors.BadInput("An uncertain message is settled as sent or as bounced.")
    values = {"state": as_, "last_phase": "evidence", "last_reply": evidence[:500], "settled_at": clock.now()}
    return _move(message_ids, values)


def resend(message_ids: Sequence[int]) -> dict[int, list[int]]:
    """Queue uncertain messages again, under the same Message-ID, date and bytes; their readers may get a second copy.

    Only of released runs that are not cancelled: a finished one runs again, and its lifetime begins anew. Others, and
    messages that are not uncertain, stay as they are. Returns the ids moved, by run.
    """
    now = clock.now()
    runs = {message.run_id for message in find(message_ids)}
    open_again = update(Run).where(Run.id.in_(runs), Run.state.in_([RunState.RUNNING, RunState.FINISHED]))
    db.changed(open_again.values(state=RunState.RUNNING, running_since=now, finished_at=None, doubts_in_row=0))
    sendable = select(Run.id).where(Run.state.in_([RunState.RUNNING, RunState.PAUSED]))
    values = {"state": MessageState.QUEUED, "due_at": now, "settled_at": None}
    return _move(message_ids, values, among=sendable)


def _move(message_ids: Sequence[int], values: dict[str, Any], among: Select[int] | None = None) -> dict[int, list[int]]:
    moved = defaultdict[int, list[int]](list)
    for chunk in _chunks(message_ids):
        statement = update(Message).where(Message.id.in_(chunk), _IS_UNCERTAIN)
        if among is not None:
            statement = statement.where(Message.run_id.in_(among))
        statement = statement.values(**values)
        for message_id, run_id in db.session.execute(
            statement.returning(Message.id, Message.run_id), execution_options={"synchronize_session": False}
        ):
            moved[run_id].append(message_id)
    db.session.expire_all()
    return {run_id: sorted(ids) for run_id, ids in sorted(moved.items())}


def _uncertain(run_id: int | None) -> Select[Any]:
    statement = select(Message).where(_IS_UNCERTAIN)
    return statement if run_id is None else statement.where(Message.run_id == run_id)


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    ordered = sorted(set(ids))
    return (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))


# As a literal, not a parameter, so that both databases use the partial index.
_IS_UNCERTAIN = Message.state == bindparam(
    "uncertain", MessageState.UNCERTAIN, type_=Message.state.type, literal_execute=True
)
