"""Tables of the audience: subscribers, subscriptions, requests, consent."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.db import Base


class Subscriber(Base):
    """A person who reads, or asked to. Whether mail may go is said by the subscriptions, never here."""

    __tablename__ = "subscriber"
    __table_args__ = (
        Index("ix_subscriber_created_at", "created_at", "id"),
        Index(
            "ix_subscriber_paused",
            "id",
            sqlite_where=text("paused_until IS NOT NULL"),
            postgresql_where=text("paused_until IS NOT NULL"),
        ),
        # PostgreSQL has one more (schema.POSTGRESQL_ONLY): the unique one finds no beginnings in its collation.
        # An id is never given again: links are signed for it, and consent records outlive their reader.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # As typed, for the envelope; and canonical (lower case, A-label domain), for identity.
    address: Mapped[str]
    address_key: Mapped[str] = mapped_column(unique=True)
    language: Mapped[str] = mapped_column(default="en")
    zone: Mapped[str] = mapped_column(default="")
    paused_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    # How many consent records were made: the last ones cannot be taken away unseen either.
    records_made: Mapped[int] = mapped_column(default=0)
    # Agreed to be measured personally; the chain says when.
    is_measured: Mapped[bool] = mapped_column(default=False)

    subscriptions: Mapped[list["Subscription"]] = relationship(cascade="all, delete-orphan")


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
        Index("ix_subscription_topic", "topic_id", "state", "subscriber_id"),
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
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    # [[newsletter_id, topic_id], ...] asked for.
    wishes: Mapped[list[Any]]
    # Whether being measured personally was agreed to as well.
    measurement: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LinkKind(enum.StrEnum):
    """What a mail with a link is for."""

    PREFERENCES = "preferences"  # the preferences, for who has no mail of ours at hand
    PRIVATE = "private"  # for one hour: download, erase, change the address
    MOVE = "move"  # to the new address: confirm it
    MOVED = "moved"  # to the old address: it was changed


class LinkRequest(Base):
    """One mail with a link that a reader asked for; its id is what the link signs."""

    __tablename__ = "link_request"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    kind: Mapped[LinkKind]
    # Where the mail goes.
    address: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class TermsAsk(Base):
    """That a reader is asked to agree to new terms; unanswered after the document's date, no issue goes out."""

    __tablename__ = "terms_ask"

    document_id: Mapped[int] = mapped_column(ForeignKey("legal_document.id"), primary_key=True, autoincrement=False)
    subscriber_id: Mapped[int] = mapped_column(
        ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class LeavingReason(Base):
    """Why somebody left: given once for a withdrawal, and telling nobody who it was."""

    __tablename__ = "leaving_reason"

    record_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    newsletter_id: Mapped[int | None] = mapped_column(ForeignKey("newsletter.id", ondelete="CASCADE"))
    reason: Mapped[str]
    given_at: Mapped[datetime]


class ConsentKind(enum.StrEnum):
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    IMPORTED = "imported"
    MOVED = "moved"  # to another address of the same person
    ERASED = "erased"  # the last line: what could be forgotten is


class Purpose(enum.StrEnum):
    """What a line is about: mail, or being measured personally."""

    NEWSLETTERS = "newsletters"
    MEASUREMENT = "measurement"


class ConsentRecord(Base):
    """One line of what a person agreed to, and how. The database refuses to change or delete it.

    `subscriber_id` names the chain and is no foreign key: the chain outlives its reader.
    """

    __tablename__ = "consent_record"
    __table_args__ = (UniqueConstraint("subscriber_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int]
    number: Mapped[int]  # 1, 2, 3 ... of this person
    request_id: Mapped[int | None]
    kind: Mapped[ConsentKind]
    purpose: Mapped[Purpose] = mapped_column(default=Purpose.NEWSLETTERS)
    at: Mapped[datetime] = mapped_column("recorded_at")
    # The exact sentence shown, with the versions of the documents it named.
    sentence: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="en")
    terms_version: Mapped[int | None]
    privacy_version: Mapped[int | None]
    # ["daily:music", ...]: slugs, readable without the other tables.
    wishes: Mapped[list[Any]] = mapped_column(default=list)
    # How: form | link | one-click | mail | preferences | undo | import | unproved import | desk | retention.
    channel: Mapped[str]
    # Of the details kept beside (see audience.chain).
    person_digest: Mapped[str]
    network_digest: Mapped[str]
    hash: Mapped[str]


class Part(enum.StrEnum):
    """PERSON is kept until its person is erased, NETWORK for some days."""

    PERSON = "person"
    NETWORK = "network"


class ConsentDetail(Base):
    """What may be forgotten of a consent record."""

    __tablename__ = "consent_detail"

    subscriber_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part: Mapped[Part] = mapped_column(primary_key=True)
    salt: Mapped[str]
    content: Mapped[dict[str, Any]]
    until_at: Mapped[datetime | None] = mapped_column(index=True)


class ImportState(enum.StrEnum):
    UPLOADING = "uploading"
    CHECKING = "checking"  # the dry run
    CHECKED = "checked"  # waits for an editor's word
    IMPORTING = "importing"
    DONE = "done"
    REFUSED = "refused"  # no file of readers


class ReaderImport(Base):
    """A file of readers that an editor brought, how far it is read, and what came of it."""

    __tablename__ = "reader_import"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    actor: Mapped[str]
    # {"newsletters": [slug], "topics": [slug]}: what the readers get where the file does not say it.
    choice: Mapped[dict[str, Any]]
    # Whose export it is, as its first line tells.
    layout: Mapped[str] = mapped_column(default="")
    state: Mapped[ImportState] = mapped_column(default=ImportState.UPLOADING)
    size: Mapped[int] = mapped_column(default=0)
    rows: Mapped[int | None]
    # Rows dealt with in the present state: where it goes on after a stop.
    rows_done: Mapped[int] = mapped_column(default=0)
    new: Mapped[int] = mapped_column(default=0)
    known: Mapped[int] = mapped_column(default=0)
    to_reconfirm: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    # Of the refused ones: suppressed, erased, or left.
    stopped: Mapped[int] = mapped_column(default=0)
    # The first rows as they were understood, until the file is dealt with.
    sample: Mapped[list[Any]] = mapped_column(default=list)
    problem: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class ReaderImportChunk(Base):
    """A piece of the file, where every machine finds it; deleted when the file is dealt with."""

    __tablename__ = "reader_import_chunk"

    import_id: Mapped[int] = mapped_column(
        ForeignKey("reader_import.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]


class ReaderImportRefusal(Base):
    """A row that is not taken, and why; nothing of the row itself."""

    __tablename__ = "reader_import_refusal"

    import_id: Mapped[int] = mapped_column(
        ForeignKey("reader_import.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str]
