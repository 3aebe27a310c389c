"""Tables of the outbox: runs, messages, workers, suppressions."""

import enum
from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base, BigId


class RunState(enum.StrEnum):
    PLANNING = "planning"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class Policy(enum.StrEnum):
    """What a doubt becomes: hold leaves it uncertain (no copy ever), retry sends again (nothing lost)."""

    HOLD = "hold"
    RETRY = "retry"


class Run(Base):
    """All messages of one issue, or a stream (confirmations, notices) that never finishes."""

    __tablename__ = "run"
    __table_args__ = (UniqueConstraint("kind", "ref"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]  # names the composer: "issue", "confirmation", "notice", ...
    ref: Mapped[int] = mapped_column(default=0)  # the id; 0 for a stream
    state: Mapped[RunState]
    paused_reason: Mapped[str] = mapped_column(default="")
    policy: Mapped[Policy]
    priority: Mapped[int] = mapped_column(default=0)  # higher first: streams ahead of issues
    is_stream: Mapped[bool] = mapped_column(default=False)
    # A message is given up this many seconds after it was queued or its run released or resumed, whichever is later.
    lifetime_seconds: Mapped[int]
    planned: Mapped[int] = mapped_column(default=0)
    # The last recipient planned, so that planning goes on where it stopped.
    planned_to_id: Mapped[int] = mapped_column(default=0)
    # For the breakers: lost replies in a row; the first messages since the last release or resume, and their bounces.
    doubts_in_row: Mapped[int] = mapped_column(default=0)
    sampled: Mapped[int] = mapped_column(default=0)
    sampled_bounces: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    running_since: Mapped[datetime | None]  # the last release or resume
    finished_at: Mapped[datetime | None]


class MessageState(enum.StrEnum):
    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"


# What has not begun to leave; of a run that goes on, it will.
UNSENT = (MessageState.QUEUED, MessageState.DEFERRED, MessageState.CLAIMED)
# The ends other than sent, and the same as the condition of their index.
ENDED_APART = (
    MessageState.BOUNCED,
    MessageState.EXPIRED,
    MessageState.SKIPPED,
    MessageState.UNCERTAIN,
    MessageState.CANCELLED,
)
APART = f"state IN ({', '.join(repr(state.value) for state in ENDED_APART)})"


class Message(Base):
    """One envelope to one address, from queued to its end."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("run_id", "recipient_id"),
        # The state stands as a literal in index and queries: as a bound parameter PostgreSQL stops using
        # the index after five runs (0.28 ms -> 104 ms a query, delivery.md 3).
        Index(
            "ix_message_queued",
            "run_id",
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_message_deferred",
            "run_id",
            "due_at",
            sqlite_where=text("state = 'deferred'"),
            postgresql_where=text("state = 'deferred'"),
        ),
        Index(
            "ix_message_claimed_by",
            "claimed_by",
            sqlite_where=text("claimed_by IS NOT NULL"),
            postgresql_where=text("claimed_by IS NOT NULL"),
        ),
        Index(
            "ix_message_uncertain",
            "run_id",
            "id",
            sqlite_where=text("state = 'uncertain'"),
            postgresql_where=text("state = 'uncertain'"),
        ),
        # The few that ended otherwise than sent, so that progress is counted, and a page of them found by its ids,
        # without those that were.
        Index("ix_message_apart", "run_id", "state", "id", sqlite_where=text(APART), postgresql_where=text(APART)),
    )

    # No foreign keys: PostgreSQL checks them row by row, 3.6 s of CPU in planning a million; only outbox.queue writes
    # rows and takes runs away. No further indexes either: every one is written again at each change of state.
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[int]
    # Who this row is for inside its run: the subscriber of an issue, the request of a stream.
    recipient_id: Mapped[int]
    # What is sent: the edition of an issue, nothing further for a stream.
    ref: Mapped[int | None]
    # As given, for the envelope; and canonical (suppression.key_of), to be held against the suppressions.
    address: Mapped[str]
    address_key: Mapped[str]
    domain: Mapped[str]
    # A confirmation its reader asked for is sent although mail to the address bounced before.
    despite_bounce: Mapped[bool] = mapped_column(default=False)
    # The same on every attempt, and unique because it names run and recipient (Gmail 4.7.28 refuses a shared one).
    message_id: Mapped[str]
    # The Date header, set once at the first claim.
    dated_at: Mapped[datetime | None]
    state: Mapped[MessageState] = mapped_column(default=MessageState.QUEUED)
    due_at: Mapped[datetime]
    claimed_by: Mapped[int | None]  # the worker's id
    attempts: Mapped[int] = mapped_column(default=0)
    doubts: Mapped[int] = mapped_column(default=0)
    last_phase: Mapped[str] = mapped_column(default="")
    last_code: Mapped[int | None]
    # The server's words, or why the message was skipped, cut to 500 characters.
    last_reply: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class Worker(Base):
    """One life of a delivery process; its id is never used again."""

    __tablename__ = "worker"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Throttle(Base):
    """The token bucket of a recipient domain, or of the relay as a whole (an empty key), shared by all workers."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(primary_key=True)
    # Messages a second while slowed, and before the first refusal; a rate of the settings is a ceiling beside it.
    rate: Mapped[float | None]
    began: Mapped[float] = mapped_column(default=0.0)
    slowed_at: Mapped[datetime | None]
    eased_at: Mapped[datetime | None]
    tokens: Mapped[float]
    refilled_at: Mapped[datetime]
    # The last turn given to an issue's messages; until when tokens are kept for a stream's.
    booked_to: Mapped[datetime]
    kept_until: Mapped[datetime]


class SuppressionReason(enum.StrEnum):
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    REQUEST = "request"
    ERASURE = "erasure"


class Suppression(Base):
    """An address we must not write to; lifted rows stay as history."""

    __tablename__ = "suppression"
    __table_args__ = (
        Index(
            "uq_suppression_address",
            "address",
            unique=True,
            sqlite_where=text("lifted_at IS NULL AND address IS NOT NULL"),
            postgresql_where=text("lifted_at IS NULL AND address IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # The canonical address (audience.addresses); None after erasure, when only the keyed digest remains.
    address: Mapped[str | None]
    digest: Mapped[str] = mapped_column(index=True)
    reason: Mapped[SuppressionReason]
    note: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
