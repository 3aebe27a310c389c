"""Token buckets in the database, shared by all processes: how often something may happen."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, mapped_column

from newsletter import clock, db
from newsletter.db import Base


class Bucket(Base):
    """How many tokens a key had left, and when that was."""

    __tablename__ = "bucket"

    key: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    refilled_at: Mapped[datetime]
    full_at: Mapped[datetime] = mapped_column(index=True)


def take(key: str, *, capacity: float, period: timedelta) -> bool:
    """Take one of `capacity` tokens that refill evenly over `period`; False, taking none, when none is left."""
    now = clock.now()
    per_token = period / capacity
    bucket = _held({"key": key, "tokens": capacity, "refilled_at": now, "full_at": now})
    # Whoever was waited for may have refilled it later than we began.
    now = max(now, bucket.refilled_at)
    tokens = min(capacity, bucket.tokens + (now - bucket.refilled_at) / per_token)
    allowed = tokens >= 1
    bucket.tokens, bucket.refilled_at = tokens - allowed, now
    bucket.full_at = now + (capacity - bucket.tokens) * per_token
    db.session.flush()
    return allowed


def _held(full: dict[str, Any]) -> Bucket:
    """The bucket of a key, made full where there is none, and ours until the transaction ends."""
    while True:
        # Whether there was a bucket or not is the same work; who makes it at the same moment is waited for.
        db.session.execute(db.insert(Bucket).values(full).on_conflict_do_nothing())
        # FOR UPDATE on PostgreSQL; on SQLite the writing transaction already has the database to itself.
        bucket = db.session.scalars(select(Bucket).filter_by(key=full["key"]).with_for_update()).first()
        if bucket is not None:
            return bucket
        # One that was full was swept between the two.


def sweep() -> None:
    """Forget the buckets that are full again."""
    db.session.execute(delete(Bucket).where(Bucket.full_at < clock.now()))
