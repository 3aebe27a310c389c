"""Messages of a run that wait, found by what they send and given another edition to send."""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, literal_column, select, update

from newsletter import clock, db
from newsletter.outbox.models import Message, MessageState, Run

_CHUNK = 500  # ids in one statement


def has_open(run: Run, refs: Sequence[int]) -> bool:
    """Whether a message of the run with one of these refs may still leave, or is leaving."""
    for chunk in _chunks(refs):
        query = select(Message.id).where(_is_of(run), Message.ref.in_(chunk)).limit(1)
        for state in ("'queued'", "'deferred'"):
            if db.session.scalar(query.where(Message.state == literal_column(state))) is not None:
                return True
        if db.session.scalar(query.where(Message.claimed_by.is_not(None))) is not None:
            return True
    return False


def unsent(run: Run, state: MessageState, *, after: int, limit: int) -> list[tuple[int, int]]:
    """(id, ref) of messages of a run in `state` (queued or deferred) whose id is above `after`, by id."""
    query = select(Message.id, Message.ref).where(_is_of(run), Message.state == literal_column(f"'{state.value}'"))
    page = query.where(Message.id > after).order_by(Message.run_id, Message.id).limit(limit)
    return [(row.id, row.ref) for row in db.session.execute(page)]


def readdress(run: Run, message_ids: Sequence[int], *, from_ref: int, to_ref: int) -> int:
    """Give messages that wait another edition; a body that is being written keeps its own. How many it were."""
    return sum(
        db.changed(update(Message).where(_waits(run, chunk), Message.ref == from_ref).values(ref=to_ref))
        for chunk in _chunks(message_ids)
    )


def skip(run: Run, message_ids: Sequence[int], *, from_ref: int, reason: str) -> int:
    """Never send messages that wait with this ref, for a reason an editor reads. How many it were."""
    values = {"state": MessageState.SKIPPED, "last_reply": reason, "settled_at": clock.now()}
    return sum(
        db.changed(update(Message).where(_waits(run, chunk), Message.ref == from_ref).values(values))
        for chunk in _chunks(message_ids)
    )


def _is_of(run: Run) -> ColumnElement[bool]:
    # Not an equality: see ledger._RUNS_IN_TURN.
    return (Message.run_id >= run.id) & (Message.run_id <= run.id)


def _waits(run: Run, message_ids: Sequence[int]) -> ColumnElement[bool]:
    unsent = Message.state.in_([MessageState.QUEUED, MessageState.DEFERRED])
    return (Message.run_id == run.id) & Message.id.in_(message_ids) & unsent


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
