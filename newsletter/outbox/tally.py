"""How many messages of a run are in each state, told without walking those that were sent."""

from collections.abc import Sequence

from newsletter import db
from newsletter.outbox import sql
from newsletter.outbox.models import APART, UNSENT, MessageState, Run


def counts(run: Run) -> dict[str, int]:
    """How many messages of a run are in each state, every state named, as of one instant."""
    return counts_by_run([run.id])[run.id]


def counts_by_run(run_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """`counts` of many runs in one query, for lists.

    What was sent is not counted but what is left of the planned, so that an issue of a million costs little to watch.
    """
    found: dict[int, dict[str, int]] = {run_id: {state.value: 0 for state in MessageState} for run_id in run_ids}
    rows = db.session.execute(_COUNTED, {"ids": list(run_ids)}).all()
    for run_id, state, number in rows:
        if state in found[run_id]:
            found[run_id][state] += number
    for run_id, told, number in rows:
        numbers = found[run_id]
        if told == _PLANNED:
            numbers[MessageState.SENT] += number - sum(numbers.values())
        elif told == _STOPPED:
            for unsent in UNSENT:
                numbers[MessageState.CANCELLED] += numbers[unsent]
                numbers[unsent] = 0
    return found


def counts_of(run: Run, refs: Sequence[int], *, planned: int) -> dict[str, int]:
    """How many of the `planned` messages of a run that send these refs are in each state, every state named."""
    found = {state.value: 0 for state in MessageState}
    found.update(dict(db.session.execute(_COUNTED_OF, {"run": run.id, "ids": list(refs)}).all()))
    found[MessageState.SENT] = planned - sum(found.values())
    return found


def counted_up_to(run: Run, state: MessageState, most: int) -> int:
    """How many messages of a run ended in a state other than sent, counted no further than `most`."""
    return int(db.session.execute(_SOME, {"run": run.id, "state": state.value, "most": most}).scalar_one())


# One statement is one snapshot: the numbers belong together at any moment. Each part has a partial index of its own
# (+run_id: SQLite would walk the run); only streams, which nobody watches, are counted row by row.
_PLANNED, _STOPPED = "planned", "stopped"
_COUNTED = sql.statement(
    """
    SELECT run_id, 'queued' AS told, count(*) AS number FROM message
     WHERE run_id IN :ids AND state = 'queued' GROUP BY run_id
    UNION ALL
    SELECT run_id, 'deferred', count(*) FROM message WHERE run_id IN :ids AND state = 'deferred' GROUP BY run_id
    UNION ALL
    SELECT run_id, state, count(*) FROM message
     WHERE +run_id IN :ids AND claimed_by > 0 AND state IN ('claimed', 'sending') GROUP BY run_id, state
    UNION ALL
    SELECT run_id, state, count(*) FROM message
     WHERE run_id IN :ids AND {apart}
     GROUP BY run_id, state
    UNION ALL
    SELECT id, 'sent', (SELECT count(*) FROM message WHERE message.run_id = run.id AND message.state = 'sent')
      FROM run WHERE id IN :ids AND is_stream
    UNION ALL
    SELECT id, 'planned', planned FROM run WHERE id IN :ids AND NOT is_stream
    UNION ALL
    SELECT id, 'stopped', 1 FROM run WHERE id IN :ids AND state = 'cancelled'
""",
    apart=APART,
)

# The same of some editions of one run.
_COUNTED_OF = sql.statement(
    """
    SELECT state, count(*) FROM message WHERE run_id = :run AND state = 'queued' AND ref IN :ids GROUP BY state
    UNION ALL
    SELECT state, count(*) FROM message WHERE run_id = :run AND state = 'deferred' AND ref IN :ids GROUP BY state
    UNION ALL
    SELECT state, count(*) FROM message
     WHERE +run_id = :run AND claimed_by > 0 AND state IN ('claimed', 'sending') AND ref IN :ids GROUP BY state
    UNION ALL
    SELECT state, count(*) FROM message
     WHERE run_id = :run AND {apart} AND ref IN :ids
     GROUP BY state
""",
    apart=APART,
)

_SOME = sql.statement(
    """
    SELECT count(*) FROM (
        SELECT 1 FROM message WHERE run_id = :run AND state = :state
           AND {apart} LIMIT :most) AS counted
""",
    apart=APART,
)
