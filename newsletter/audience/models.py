"""Tables of the audience: subscribers, subscriptions, requests, consent."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.db import Base


class Subscriber(Base):
    """A person who reads, or asked to. Whether mail may go is said by the subscriptions, never here."""

    __tablename__ = "subscriber"

    id: Mapped[int] = mapped_column(primary_key=True)
    # As typed, for the envelope; and canonical (lower case, A-label domain), for identity.
    address: Mapped[str]
    address_key: Mapped[str] = mapped_column(unique=True)
    language: Mapped[str] = mapped_column(default="en")
    zone: Mapped[str] = mapped_column(default="")
    paused_until: Mapped[datetime | None]
    created_at: Mapped[datetime]

    subscriptions: Mapped[list["Subscription"]] = relationship(cascade="all, delete-orphan")
    records: Mapped[list["ConsentRecord"]] = relationship(order_by="ConsentRecord.id")


class SubscriptionState(enum.StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class Subscription(Base):
    """The wish (reader, newsletter, topic)."""

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "newsletter_id", "topic_id"),
        Index("ix_subscription_newsletter", "newsletter_id", "state", "subscriber_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"))
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletter.id"))
    topic_id: Mapped[int] = mapped_column(ForeignKey("topic.id"))
    state: Mapped[SubscriptionState]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class SignupRequest(Base):
    """One press of the sign-up button that was answered by a mail; its id is what the confirmation link signs."""

    __tablename__ = "signup_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    # [[newsletter_id, topic_id], ...] asked for.
    wishes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ConsentKind(enum.StrEnum):
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    IMPORTED = "imported"


class ConsentRecord(Base):
    """One append-only line of what a person agreed to, and how."""

    __tablename__ = "consent_record"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscriber.id", ondelete="SET NULL"), index=True)
    request_id: Mapped[int | None]
    kind: Mapped[ConsentKind]
    at: Mapped[datetime] = mapped_column("recorded_at")
    # The exact sentence shown, with the versions of the documents it named.
    sentence: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="en")
    terms_version: Mapped[int | None]
    privacy_version: Mapped[int | None]
    # ["daily:music", ...]: slugs, readable without the other tables.
    wishes: Mapped[list[Any]] = mapped_column(default=list)
    # How: form | link | one-click | preferences | import | desk; where: the page's address; and from where.
    channel: Mapped[str]
    page: Mapped[str] = mapped_column(default="")
    source_address: Mapped[str] = mapped_column(default="")
    agent: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
