"""What rooms ask of the outbox: rows into streams and runs, and a run's way from planning to its end."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Subquery,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy import cast as cast_sql

from newsletter import clock, db, errors, settings
from newsletter.outbox import sql, states, suppression, watch
from newsletter.outbox.models import UNSENT, Message, MessageState, Policy, Run, RunState, SuppressionReason

SUPPRESSED = "suppressed"
UNSUBSCRIBED = "unsubscribed"

# The kind of a run that was forgotten; nothing looks for it but `clear_discarded`.
DISCARDED = "discarded"


@dataclass(frozen=True)
class Planned:
    """One message of a run: for whom, where to, and which edition."""

    recipient_id: int
    address: str
    ref: int | None = None


def enqueue(  # noqa: PLR0913 - a message's own choices, each by name
    kind: str,
    *,
    recipient_id: int,
    address: str,
    lifetime: timedelta,
    policy: Policy = Policy.RETRY,
    priority: int = 100,
    ref: int | None = None,
    despite_bounce: bool = False,
) -> Message:
    """Put one message into the stream of its kind; the same recipient again changes nothing.

    To a suppressed address the row is skipped at once; `despite_bounce` lets a confirmation pass that a reader asked
    for after a hard bounce (never after a complaint). An erasure blocks imports, not what its person asks for.
    """
    stream = _stream(kind, policy=policy, lifetime=lifetime, priority=priority)
    row = _row(stream.id, Planned(recipient_id, address, ref), clock.now())
    row["despite_bounce"] = despite_bounce
    if not _may_write(address, despite_bounce=despite_bounce):
        row |= {"state": MessageState.SKIPPED, "last_reply": SUPPRESSED, "settled_at": row["created_at"]}
    db.session.execute(db.insert(Message.__table__).values(row).on_conflict_do_nothing())
    watch.wake(db.session.connection())
    return db.session.scalars(select(Message).filter_by(run_id=stream.id, recipient_id=recipient_id)).one()


def open_run(kind: str, ref: int, *, policy: Policy, lifetime: timedelta, priority: int = 0) -> Run:
    """The run of an issue, in planning: nothing leaves before its release; (kind, ref) again is the same run."""
    return _run(kind, ref, RunState.PLANNING, policy=policy, lifetime=lifetime, priority=priority)


def add(run: Run, rows: Sequence[Planned]) -> int:
    """Plan messages into a run in planning; recipients it already has stay as they are; returns how many were new."""
    _require(run, RunState.PLANNING, "Messages can be added only while the run is planned.")
    now = clock.now()
    for row in rows:
        if len(row.address) > 320 or "@" not in row.address:
            raise errors.BadInput(f"Recipient {row.recipient_id} has no mail address.")
    added = 0
    if rows:
        inserted = db.session.execute(
            db.insert(Message.__table__).on_conflict_do_nothing().returning(Message.__table__.c.id),
            [_row(run.id, row, now) for row in rows],
        )
        added = len(inserted.all())
    db.session.execute(update(Run).where(Run.id == run.id).values(planned=Run.planned + added))
    db.session.refresh(run)
    return added


def add_from(run: Run, query: Select[Any]) -> int:
    """Plan a message for each row (recipient_id, address, address_key, ref) of a query, as `add` would; how many.

    The database does it alone: 3 us a message on SQLite. A recipient the run has already is an IntegrityError.
    """
    _require(run, RunState.PLANNING, "Messages can be added only while the run is planned.")
    names, columns = zip(*_planned(run.id, query.subquery()), strict=True)
    statement = insert(Message).from_select(names, select(*columns))
    added = db.changed(statement.execution_options(preserve_rowcount=True))
    db.session.execute(update(Run).where(Run.id == run.id).values(planned=Run.planned + added))
    db.session.refresh(run)
    return added


def release(run: Run) -> None:
    """Let a planned run's messages leave, in one update that counts them; raises Conflict when the count is off."""
    rows = select(func.count(Message.id)).where(Message.run_id == run.id).scalar_subquery()
    now = clock.now()
    values = {"released_at": now, "running_since": now}
    if not _move(run, [RunState.PLANNING], RunState.RUNNING, values, Run.planned == rows):
        raise errors.Conflict("The run is not completely planned, or is released already.")
    watch.wake(db.session.connection())


def pause(run: Run, reason: str) -> None:
    """Hold a running run: within one message per connection nothing more of it leaves."""
    if not _move(run, states.origins(RunState.PAUSED), RunState.PAUSED, {"paused_reason": reason}, ~Run.is_stream):
        raise errors.Conflict(f"Only what is sending can be paused; this is {run.state}.")


def resume(run: Run) -> None:
    """Let a paused run go on. The failures seen so far are not held against it again; its lifetime begins anew."""
    values = {
        "paused_reason": "",
        "running_since": clock.now(),
        "doubts_in_row": 0,
        "sampled": 0,
        "sampled_bounces": 0,
    }
    if not _move(run, [RunState.PAUSED], RunState.RUNNING, values):
        raise errors.Conflict(f"Only what is paused can be resumed; this is {run.state}.")
    watch.wake(db.session.connection())


def cancel(run: Run) -> None:
    """End a run at once: what has not begun to leave never will; a message whose body is on the wire gets its outcome.

    Rows are marked up to a page here, and the rest by `ledger.finish_runs`; `counts` knows them as cancelled already.
    """
    if not _move(run, states.origins(RunState.CANCELLED), RunState.CANCELLED, {"paused_reason": ""}, ~Run.is_stream):
        raise errors.Conflict(f"This can no longer be cancelled; it is {run.state}.")
    most = settings.current().sweep_page
    for state in ("'queued'", "'deferred'"):
        page = select(Message.id).where(Message.run_id == run.id, Message.state == literal_column(state)).limit(most)
        most -= _settle_unsent(Message.id.in_(page), MessageState.CANCELLED, "")
    held = select(Message.id).where(Message.run_id == run.id, Message.claimed_by.is_not(None))
    _settle_unsent(Message.id.in_(held), MessageState.CANCELLED, "")


def discard(run: Run) -> bool:
    """Forget a run that is only planned: at once nothing finds it, and its rows go in pages. False when it is not."""
    if not _move(run, [RunState.PLANNING], RunState.CANCELLED, {"kind": DISCARDED, "ref": Run.id}):
        return False
    clear_discarded()
    return True


def clear_discarded() -> int:
    """Delete a page of what discarded runs left behind; how many rows it was, 0 when there are no more."""
    run_id = db.session.scalar(select(Run.id).filter_by(kind=DISCARDED).order_by(Run.id).limit(1))
    if run_id is None:
        return 0
    most = settings.current().sweep_page
    # By recipient, because there is an index for it.
    page = select(Message.id).filter_by(run_id=run_id).order_by(Message.recipient_id).limit(most)
    deleted = db.changed(delete(Message).where(Message.id.in_(page)))
    if deleted < most:
        deleted += db.changed(delete(Run).where(Run.id == run_id))
    db.session.expire_all()
    return deleted


def cancel_for(recipient_id: int, kind: str = "issue", refs: Sequence[int] | None = None) -> int:
    """Skip what is queued for a reader who left: in the runs `refs` (issue ids) or all of the kind; how many it was."""
    # A run that ended holds nothing to skip, and a reader's row in one that did not is found by its unique pair.
    runs = select(Run.id).where(Run.kind == kind, Run.state.in_(_GOING_ON))
    if refs is not None:
        runs = runs.where(Run.ref.in_(refs))
    theirs = (Message.recipient_id == recipient_id) & Message.run_id.in_(runs)
    return _settle_unsent(theirs, MessageState.SKIPPED, UNSUBSCRIBED)


def redirect(recipient_id: int, address: str, kind: str = "issue") -> None:
    """Send what is queued for a reader to another address of theirs."""
    runs = select(Run.id).where(Run.kind == kind)
    waiting = [MessageState.QUEUED, MessageState.DEFERRED]
    theirs = (Message.recipient_id == recipient_id) & Message.run_id.in_(runs) & Message.state.in_(waiting)
    key = suppression.key_of(address)
    db.changed(update(Message).where(theirs).values(address=address, address_key=key, domain=key.rpartition("@")[2]))
    db.session.expire_all()


def find_run(kind: str, ref: int = 0) -> Run | None:
    """The run of an issue, or a kind's stream."""
    return db.session.scalars(select(Run).filter_by(kind=kind, ref=ref)).first()


def paused(*, but: str) -> list[Run]:
    """The paused runs of every kind but one, oldest first."""
    return list(db.session.scalars(select(Run).where(Run.state == RunState.PAUSED, Run.kind != but).order_by(Run.id)))


def next_try(run: Run) -> datetime | None:
    """When the first of a run's messages that were refused for now is tried again."""
    is_deferred = Message.state == literal_column("'deferred'")
    return db.session.scalar(
        select(Message.due_at).where(Message.run_id == run.id, is_deferred).order_by(Message.due_at).limit(1)
    )


def is_waiting_since(at: datetime) -> bool:
    """Whether a running run has a message that was due at that instant and that no worker has taken."""
    return db.session.execute(_WAITING, {"limit_at": at}).first() is not None


def _stream(kind: str, *, policy: Policy, lifetime: timedelta, priority: int) -> Run:
    stream = find_run(kind)
    return stream or _run(kind, 0, RunState.RUNNING, policy=policy, lifetime=lifetime, priority=priority)


def _run(kind: str, ref: int, state: RunState, *, policy: Policy, lifetime: timedelta, priority: int) -> Run:
    now = clock.now()
    began_at = now if state is RunState.RUNNING else None
    values = {
        "kind": kind,
        "ref": ref,
        "state": state,
        "policy": policy,
        "priority": priority,
        "is_stream": ref == 0,
        "lifetime_seconds": int(lifetime.total_seconds()),
        "created_at": now,
        "released_at": began_at,
        "running_since": began_at,
    }
    db.session.execute(db.insert(Run.__table__).values(values).on_conflict_do_nothing())
    return db.session.scalars(select(Run).filter_by(kind=kind, ref=ref)).one()


def _planned(run_id: int, query: Subquery) -> list[tuple[str, ColumnElement[Any]]]:
    """The columns of new messages and what they hold, as `_row` does it for one."""
    now, key = clock.now(), query.c.address_key
    return [
        ("run_id", literal(run_id)),
        ("recipient_id", query.c.recipient_id),
        ("ref", query.c.ref),
        ("address", query.c.address),
        ("address_key", key),
        ("domain", _after_last_at(key)),
        ("despite_bounce", literal(value=False)),
        (
            "message_id",
            literal(f"<{run_id}.").concat(
                cast_sql(query.c.recipient_id, String)
                .concat(".")
                .concat(_noise(query.c.recipient_id))
                .concat(f"@{_sender_domain()}>")
            ),
        ),
        ("state", literal(MessageState.QUEUED, Message.__table__.c.state.type)),
        ("due_at", literal(now, Message.__table__.c.due_at.type)),
        ("attempts", literal(0)),
        ("doubts", literal(0)),
        ("last_phase", literal("")),
        ("last_reply", literal("")),
        ("created_at", literal(now, Message.__table__.c.created_at.type)),
    ]


def _after_last_at(key: ColumnElement[str]) -> ColumnElement[str]:
    """The domain of an address."""
    if db.session.get_bind().dialect.name == "postgresql":
        return func.split_part(key, "@", -1)  # 0.15 us an address; by trimming 1.65 us
    # Where another @ follows, what is left when everything but an @ may be stripped from the end; 1 us an address.
    rest = func.substr(key, func.instr(key, "@") + 1)
    last = func.substr(key, func.length(func.rtrim(key, func.replace(key, "@", ""))) + 1)
    return case((func.instr(rest, "@") == 0, rest), else_=last)


def _noise(recipient_id: ColumnElement[int]) -> ColumnElement[str]:
    """Letters nobody can guess, made by the database for each row (random(), on either, can be)."""
    if db.session.get_bind().dialect.name == "postgresql":
        # Of a secret no other statement has: 0.65 us a row, half of what randomness of its own (gen_random_uuid) costs.
        keyed = literal(secrets.token_bytes(16)).concat(func.int4send(recipient_id))
        return func.encode(func.substr(func.sha256(keyed), 1, 8), "hex")
    return func.lower(func.hex(func.randomblob(8)))


def _row(run_id: int, planned: Planned, now: datetime) -> dict[str, Any]:
    key = suppression.key_of(planned.address)
    return {
        "run_id": run_id,
        "recipient_id": planned.recipient_id,
        "ref": planned.ref,
        "address": planned.address,
        "address_key": key,
        "domain": key.rpartition("@")[2],
        # Random, so that a database made anew does not repeat the identity of an older one's mail.
        "message_id": f"<{run_id}.{planned.recipient_id}.{secrets.token_hex(8)}@{_sender_domain()}>",
        "state": MessageState.QUEUED,
        "due_at": now,
        "created_at": now,
    }


def _sender_domain() -> str:
    return suppression.ascii_domain(parseaddr(settings.current().sender)[1].rpartition("@")[2]) or "localhost"


def _may_write(address: str, *, despite_bounce: bool) -> bool:
    found = suppression.find(address)
    if found is None or found.reason is SuppressionReason.ERASURE:
        return True
    return despite_bounce and found.reason is SuppressionReason.HARD_BOUNCE


def _move(
    run: Run,
    origins: Sequence[RunState],
    target: RunState,
    values: dict[str, Any],
    condition: ColumnElement[bool] | None = None,
) -> bool:
    """Move a run in one update that checks where it stands; False when it stood elsewhere."""
    statement = update(Run).where(Run.id == run.id, Run.state.in_(origins))
    if condition is not None:
        statement = statement.where(condition)
    moved = db.changed(statement.values(state=target, **values))
    db.session.refresh(run)
    return moved > 0


def _require(run: Run, state: RunState, sentence: str) -> None:
    present = db.session.scalar(select(Run.state).where(Run.id == run.id).with_for_update())
    if present is not state:
        raise errors.Conflict(sentence)


def _settle_unsent(which: ColumnElement[bool], state: MessageState, reason: str) -> int:
    statement = update(Message).where(which, Message.state.in_(UNSENT))
    moved = db.changed(statement.values(state=state, last_reply=reason, claimed_by=None, settled_at=clock.now()))
    db.session.expire_all()
    return moved


_GOING_ON = (RunState.PLANNING, RunState.RUNNING, RunState.PAUSED)

# A run between itself and itself: see ledger.
_WAITING = sql.statement("""
    SELECT id FROM run WHERE state = 'running'
       AND EXISTS (SELECT 1 FROM message WHERE run_id >= run.id AND run_id <= run.id
                   AND state = 'queued' AND due_at <= :limit_at)
     LIMIT 1
""")
