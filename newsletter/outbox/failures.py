"""Messages that were refused or given up, queued again when an editor says so: nobody has received them."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, select, update

from newsletter import clock, db, errors
from newsletter.outbox import listing, watch
from newsletter.outbox.models import Message, MessageState, Run, RunState

FAILED = (MessageState.BOUNCED, MessageState.EXPIRED)


def page(run: Run, *, after: int = 0, limit: int) -> list[Message]:
    """Up to `limit` failed messages of a run with ids above `after`.

    What was settled on somebody's word is left out: it may have arrived all the same.
    """
    ids = listing.ids_in(run.id, FAILED)
    rows = select(Message).where(Message.id.in_(select(ids.c.id)), Message.id > after, Message.last_phase != "evidence")
    return list(db.session.scalars(rows.order_by(Message.id).limit(limit)))


def resend(run: Run, message_ids: Sequence[int]) -> int:
    """Queue failed messages of a released run again, with the same Message-ID, date and bytes; how many it was.

    A finished run runs again, its lifetime and its breakers begin anew; a paused one stays paused. Raises Conflict for
    one that was never released, or was cancelled.
    """
    now = clock.now()
    if run.state not in (RunState.RUNNING, RunState.PAUSED, RunState.FINISHED):
        raise errors.Conflict(f"Only what was sent can be sent again; this is {run.state}.")
    moved = _update(
        update(Message)
        .where(
            Message.id.in_(message_ids),
            Message.run_id == run.id,
            Message.state.in_(FAILED),
            Message.last_phase != "evidence",
        )
        .values(state=MessageState.QUEUED, due_at=now, settled_at=None)
    )
    if moved:
        open_again = update(Run).where(Run.id == run.id, Run.state.in_([RunState.RUNNING, RunState.FINISHED]))
        beginning = {"doubts_in_row": 0, "sampled": 0, "sampled_bounces": 0}
        _update(open_again.values(state=RunState.RUNNING, running_since=now, finished_at=None, **beginning))
        watch.wake(db.session.connection())
    db.session.expire_all()
    return moved


def _update(statement: Any) -> int:
    result = db.session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount
