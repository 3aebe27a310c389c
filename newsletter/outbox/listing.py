"""A run's messages for people to look at, page by page: all, or those in one state, without walking a million."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import CTE, Select, func, literal_column, select, text

from newsletter import db
from newsletter.outbox.models import APART, ENDED_APART, UNSENT, Message, MessageState, Run, RunState

PAGE = 50
_SCAN = 10_000  # messages looked at for one page, where it is likely among them; else their index is asked


@dataclass(frozen=True)
class Listed:
    """A page of messages in the order of their recipients, and the recipient after whom the next one begins."""

    messages: list[Message]
    further: int | None


def page(run: Run, counts: Mapping[str, int], *, state: MessageState | None = None, after: int = 0) -> Listed:
    """Up to PAGE messages, in a state or in any, of recipients above `after`; fewer where they are far between.

    `counts` are the run's by state (tally.counts): they say how to find a page of a state.
    """
    if state is None:
        return _cut(_rows(run, after).limit(PAGE + 1))
    if state is MessageState.CANCELLED and run.state is RunState.CANCELLED:
        # What never left counts as cancelled at once, and is marked in pages.
        return _looked_for(run, after, [MessageState.CANCELLED, *UNSENT])
    if state is MessageState.SENT or counts[state] * _SCAN > 2 * PAGE * sum(counts.values()):
        return _looked_for(run, after, [state])
    ids = ids_in(run.id, [state])
    return _cut(_rows(run, after).where(Message.id.in_(select(ids.c.id))).limit(PAGE + 1))


def of_recipient(run_ids: Sequence[int], recipient_id: int) -> list[Message]:
    """A recipient's messages of these runs, the newest run first."""
    # Looked up run by run in the unique index; there is none by recipient alone.
    theirs = select(Message).where(Message.run_id.in_(run_ids), Message.recipient_id == recipient_id)
    return list(db.session.scalars(theirs.order_by(Message.run_id.desc())))


def states_of(run_id: int, recipient_ids: Sequence[int]) -> dict[int, str]:
    """The state of each of these recipients' messages of a run; who has none is left out."""
    rows = select(Message.recipient_id, Message.state).where(
        Message.run_id == run_id, Message.recipient_id.in_(recipient_ids)
    )
    return {recipient_id: state.value for recipient_id, state in db.session.execute(rows)}


def ids_in(run_id: int, states: Sequence[MessageState]) -> CTE:
    """The ids of a run's messages in some states other than sent, from the partial index of each.

    On PostgreSQL by themselves: with an order and a limit beside them it would walk the primary key instead.
    """
    literals = ", ".join(f"'{MessageState(state).value}'" for state in states)
    ids = select(Message.id).where(Message.run_id == run_id, Message.state.in_([literal_column(literals)]))
    if all(state in ENDED_APART for state in states):
        ids = ids.where(text(APART))
    elif all(state in (MessageState.CLAIMED, MessageState.SENDING) for state in states):
        ids = ids.where(Message.claimed_by.is_not(None))
    return ids.cte("found").prefix_with("MATERIALIZED", dialect="postgresql")


def shown_state(message: Message, run: Run) -> str:
    """The state as people are told it: what a cancelled run has not sent is cancelled, marked so or not yet."""
    if run.state is RunState.CANCELLED and message.state in UNSENT:
        return MessageState.CANCELLED.value
    return message.state.value


def some(ids: Sequence[int]) -> list[Message]:
    """These messages, in the order of their ids."""
    return list(db.session.scalars(select(Message).where(Message.id.in_(ids)).order_by(Message.id)))


def _rows(run: Run, after: int) -> Select[Message]:
    rows = select(Message).where(Message.run_id == run.id, Message.recipient_id > after)
    return rows.order_by(Message.recipient_id)


def _cut(query: Select[Message]) -> Listed:
    found = list(db.session.scalars(query))
    return Listed(found[:PAGE], found[PAGE - 1].recipient_id if len(found) > PAGE else None)


def _looked_for(run: Run, after: int, states: Sequence[MessageState]) -> Listed:
    """A page out of the next messages looked at; when it is not full, the next one begins after the last of those."""
    near = (
        select(Message.id, Message.recipient_id, Message.state)
        .where(Message.run_id == run.id, Message.recipient_id > after)
        .order_by(Message.recipient_id)
        .limit(_SCAN)
        .subquery()
    )
    wanted = select(near.c.id).where(near.c.state.in_(states)).order_by(near.c.recipient_id).limit(PAGE + 1)
    ids = list(db.session.scalars(wanted))
    found = sorted(some(ids[:PAGE]), key=lambda message: message.recipient_id)
    if len(ids) > PAGE:
        return Listed(found, found[-1].recipient_id)
    looked_at, last = db.session.execute(select(func.count(), func.max(near.c.recipient_id)).select_from(near)).one()
    return Listed(found, last if looked_at == _SCAN else None)
