"""Messages that were refused or given up, queued again when an editor says so: nobody has received them."""

from collections.abc import Sequence

from sqlalchemy import select, update

from newsletter import clock, db, errors
from newsletter.outbox import listing, watch
from newsletter.outbox.models import Message, MessageState, Run, RunState

FAILED = (MessageState.BOUNCED, MessageState.EXPIRED)


def page(run: Run, *, after: int = 0, limit: int) -> list[Message]:
    """Up to `limit` failed messages of a run with ids above `after`."""
    ids = listing.ids_in(run.id, FAILED)
    return listing.some(
        list(db.session.scalars(select(ids.c.id).where(ids.c.id > after).order_by(ids.c.id).limit(limit)))
    )


def is_settled_by_word(message: Message) -> bool:
    """Whether somebody said that it did not arrive: it may have, all the same."""
    return message.last_phase == "evidence"


def resend(run: Run, message_ids: Sequence[int]) -> int:
    """Queue failed messages of a released run again, with the same Message-ID, date and bytes; how many it was.

    A finished run runs again, its lifetime and its breakers begin anew; a paused one stays paused. Raises Conflict for
    one that was never released, or was cancelled.
    """
    now = clock.now()
    if run.state not in (RunState.RUNNING, RunState.PAUSED, RunState.FINISHED):
        raise errors.Conflict(f"Only what was sent can be sent again; this is {run.state}.")
    moved = db.changed(
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
        db.changed(open_again.values(state=RunState.RUNNING, running_since=now, finished_at=None, **beginning))
        watch.wake(db.session.connection())
    db.session.expire_all()
    return moved
