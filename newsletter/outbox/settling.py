"""What became of messages, written down in one transaction, and the breakers that pause a run for it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, text, update

from newsletter import clock, db, settings
from newsletter.outbox import sql, states, suppression
from newsletter.outbox.models import Message, MessageState, Policy, Run, Suppression, SuppressionReason
from newsletter.outbox.replies import OPENING, Fate, Reply, Verdict

# A failure in one of these is the host's, never the message's.
HOST_PHASES = OPENING | {"mail"}


class Settlement(NamedTuple):
    """One attempt's end. `is_ours` marks a doubt we made ourselves, by stopping: no breaker counts it."""

    message_id: int
    run_id: int
    reply: Reply
    verdict: Verdict
    is_ours: bool = False


@dataclass(frozen=True)
class Settled:
    """How many messages went to each state, and which runs were paused, with the reason."""

    states: Counter[str]
    paused: dict[int, str]


class _Held(NamedTuple):
    id: int
    state: MessageState
    attempts: int
    doubts: int
    due_at: datetime
    address_key: str
    policy: Policy
    is_stream: bool


def settle(connection: Connection, worker_id: int, settlements: Sequence[Settlement]) -> Settled:
    """Write down what became of messages this worker holds; those it holds no longer are left alone, so that the same
    settlements again (after a commit whose answer was lost) change nothing."""
    held = _held(connection, worker_id, [each.message_id for each in settlements])
    known = [(each, held[each.message_id]) for each in settlements if each.message_id in held]
    now = clock.now()
    changes = [_change(each, row, now) for each, row in known]
    changes = [change for change in changes if change["new_state"] in states.MESSAGE_MOVES[change["old_state"]]]
    if not changes:
        return Settled(Counter(), {})
    connection.execute(_SETTLE, [{**change, "worker": worker_id} for change in changes])
    _suppress(connection, known, now)
    return Settled(
        Counter(change["new_state"].value for change in changes),
        _break(connection, [each for each, _ in known]),
    )


def pause(connection: Connection, run_id: int, reason: str) -> bool:
    """Pause a running issue for a reason its editor reads; a stream is never paused."""
    running = update(Run).where(Run.id == run_id, Run.state == "running", ~Run.is_stream)
    return connection.execute(running.values(state="paused", paused_reason=reason)).rowcount > 0


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many refusals in all: doubling from the first to the longest."""
    chosen, doubled = settings.current(), 1 << min(attempts - 1, 20)
    return min(chosen.retry_first * doubled, chosen.retry_most)


def _held(connection: Connection, worker_id: int, ids: Sequence[int]) -> dict[int, _Held]:
    columns = (Message.id, Message.state, Message.attempts, Message.doubts, Message.due_at, Message.address_key)
    statement = (
        select(*columns, Run.policy, Run.is_stream)
        .join(Run, Run.id == Message.run_id)
        .where(Message.id.in_(ids), text(sql.OURS).bindparams(worker=worker_id))
    )
    return {row.id: _Held(*row) for row in connection.execute(statement)}


def _change(settlement: Settlement, row: _Held, now: datetime) -> dict[str, Any]:
    state, attempts, doubts = _next(settlement, row)
    is_open = state in states.OPEN
    return {
        "message": row.id,
        "old_state": row.state,
        "new_state": state,
        "new_attempts": attempts,
        "new_doubts": doubts,
        "new_due_at": now + wait_after(attempts) if state is MessageState.DEFERRED else row.due_at,
        "new_phase": settlement.reply.phase,
        "new_code": settlement.reply.code,
        "new_reply": (settlement.reply.text or settlement.verdict.why)[:500],
        "new_settled_at": None if is_open else now,
    }


def _next(settlement: Settlement, row: _Held) -> tuple[MessageState, int, int]:
    """The state a message goes to, its attempts and its doubts."""
    tried, phase = row.attempts + 1, settlement.reply.phase
    match settlement.verdict.fate:
        case Fate.SENT | Fate.BOUNCED | Fate.DEFERRED as fate:
            return MessageState(fate.value), tried, row.doubts
        case Fate.SKIPPED:
            return MessageState.SKIPPED, row.attempts, row.doubts
        case Fate.UNCERTAIN:
            is_last = row.policy is Policy.HOLD or row.doubts + 1 >= settings.current().doubts_most
            return MessageState.UNCERTAIN if is_last else MessageState.QUEUED, tried, row.doubts + 1
        case Fate.NOT_SENT if phase not in HOST_PHASES:
            # Dropped in the middle again and again, a message waits, so that it does not hold up the others.
            waits = tried % settings.current().not_sent_most == 0
            return MessageState.DEFERRED if waits else MessageState.QUEUED, tried, row.doubts
        case Fate.SENDERS_FAULT if row.is_stream and phase not in OPENING:
            # A stream has no editor to resume it: its messages wait longer and longer.
            return MessageState.DEFERRED, tried, row.doubts
        case _:
            return MessageState.QUEUED, row.attempts, row.doubts


def _suppress(connection: Connection, known: Iterable[tuple[Settlement, _Held]], now: datetime) -> None:
    rows = [
        suppression.row_of(row.address_key, SuppressionReason.HARD_BOUNCE, str(each.reply)[:200], now)
        for each, row in known
        if each.verdict.suppress
    ]
    if rows:
        connection.execute(db.insert(Suppression, connection).on_conflict_do_nothing(), rows)


def _break(connection: Connection, settlements: Iterable[Settlement]) -> dict[int, str]:
    by_run = defaultdict[int, list[Settlement]](list)
    for each in settlements:
        by_run[each.run_id].append(each)
    reasons = {
        run_id: _fault(theirs) or _doubts(connection, run_id, theirs) or _share(connection, run_id, theirs)
        for run_id, theirs in by_run.items()
    }
    return {run_id: reason for run_id, reason in reasons.items() if reason and pause(connection, run_id, reason)}


def _fault(settlements: Sequence[Settlement]) -> str:
    """The first answer that would hit everybody."""
    for each in settlements:
        if each.verdict.fate is Fate.SENDERS_FAULT:
            return f"{each.verdict.why[0].upper()}{each.verdict.why[1:]}. It said: {each.reply}"
    return ""


def _doubts(connection: Connection, run_id: int, settlements: Sequence[Settlement]) -> str:
    """Several lost replies in a row, by whichever worker; any answer to a dot begins a new row."""
    at_dot = [each for each in settlements if each.reply.phase == "dot" and not each.is_ours]
    lost = [each.verdict.fate is Fate.UNCERTAIN for each in at_dot]
    if not any(lost):
        if lost:
            # Hits nothing, and so locks nothing, while all goes well.
            connection.execute(_NO_DOUBT, {"run": run_id})
        return ""
    in_row = most = connection.execute(select(Run.doubts_in_row).where(Run.id == run_id).with_for_update()).scalar_one()
    for is_lost in lost:
        in_row = in_row + 1 if is_lost else 0
        most = max(most, in_row)
    connection.execute(update(Run).where(Run.id == run_id).values(doubts_in_row=in_row))
    limit = settings.current().breaker_uncertain
    return f"The mail server took {most} messages in a row and never said what became of them." if most >= limit else ""


def _share(connection: Connection, run_id: int, settlements: Sequence[Settlement]) -> str:
    """Too many of the first messages refused for good. Past the sample the update hits, and so locks, nothing."""
    chosen = settings.current()
    bounced = sum(each.verdict.fate is Fate.BOUNCED for each in settlements)
    ended = bounced + sum(each.verdict.fate is Fate.SENT for each in settlements)
    sampling = update(Run).where(Run.id == run_id, ~Run.is_stream, Run.sampled < chosen.breaker_sample)
    sample = connection.execute(
        sampling.values(sampled=Run.sampled + ended, sampled_bounces=Run.sampled_bounces + bounced).returning(
            Run.sampled, Run.sampled_bounces
        )
    ).first()
    if sample is None or sample.sampled_bounces <= chosen.breaker_share * chosen.breaker_sample:
        return ""
    return f"{sample.sampled_bounces} of the first {sample.sampled} addresses were refused for good."


_SETTLE = (
    update(Message.__table__)  # type: ignore[arg-type]  # mypy sees FromClause
    .where(
        Message.id == bindparam("message"),
        text(sql.OURS),
        Message.state == bindparam("old_state"),
    )
    .values(
        state=bindparam("new_state"),
        claimed_by=None,
        attempts=bindparam("new_attempts"),
        doubts=bindparam("new_doubts"),
        due_at=bindparam("new_due_at"),
        last_phase=bindparam("new_phase"),
        last_code=bindparam("new_code"),
        last_reply=bindparam("new_reply"),
        settled_at=bindparam("new_settled_at"),
    )
)

_NO_DOUBT = update(Run).where(Run.id == bindparam("run"), Run.doubts_in_row > 0).values(doubts_in_row=0)
