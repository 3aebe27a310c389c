"""Tables of the publication: masthead, legal texts, topics, newsletters."""

import enum
from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.db import Base


class Masthead(Base):
    """The one magazine of this installation: its name, look and words."""

    __tablename__ = "masthead"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    tagline: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="en")
    accent: Mapped[str] = mapped_column(default="#b3261e")
    fonts: Mapped[str] = mapped_column(default="serif")
    logo_hash: Mapped[str | None]
    # Words the magazine chooses: see masthead.LABELS for the keys and defaults.
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict)


class LegalKind(enum.StrEnum):
    TERMS = "terms"
    PRIVACY = "privacy"


class LegalWay(enum.StrEnum):
    """How a new version reaches those who agreed to an earlier one."""

    CORRECTION = "correction"  # a slip: nobody need be told
    TOLD = "told"  # in the next issue
    ASKED = "asked"  # to agree again by a date


class LegalDocument(Base):
    """One published version of the terms or the privacy policy; never changed, never deleted."""

    __tablename__ = "legal_document"
    __table_args__ = (UniqueConstraint("kind", "language", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[LegalKind]
    language: Mapped[str]
    version: Mapped[int]
    title: Mapped[str]
    markdown: Mapped[str]
    sha256: Mapped[str]
    is_placeholder: Mapped[bool] = mapped_column(default=False)
    published_at: Mapped[datetime]
    way: Mapped[LegalWay] = mapped_column(default=LegalWay.TOLD)
    # Asked again: who has not agreed by then gets no issue until they do.
    ask_by_at: Mapped[datetime | None]


class ConsentWording(Base):
    """One version of the sentence beside the consent box; never changed, never deleted."""

    __tablename__ = "consent_wording"
    __table_args__ = (UniqueConstraint("language", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    language: Mapped[str]
    version: Mapped[int]
    # Holds {terms} and {privacy}, each replaced by the document's title, linked where links are possible.
    sentence: Mapped[str]
    published_at: Mapped[datetime]


class Topic(Base):
    """A subject a reader chooses."""

    __tablename__ = "topic"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)


class NewsletterKind(enum.StrEnum):
    DIGEST = "digest"
    SELECTION = "selection"


class Approval(enum.StrEnum):
    NONE = "none"
    ONE = "one"
    TWO = "two"


class Newsletter(Base):
    """One of the magazine's newsletters, with its promise, topics and calendar (no days: sent by hand)."""

    __tablename__ = "newsletter"
    __table_args__ = (
        Index(
            "uq_newsletter_default",
            "is_default",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    promise: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="en")
    kind: Mapped[NewsletterKind] = mapped_column(default=NewsletterKind.DIGEST)
    approval: Mapped[Approval] = mapped_column(default=Approval.NONE)
    # What an unapproved issue does at its time: held (default) or sent as it is.
    sends_unapproved: Mapped[bool] = mapped_column(default=False)
    sender: Mapped[str] = mapped_column(default="")
    # The calendar: IANA zone, local wall time "07:00", weekday names ["mon", ...]; empty days: by hand.
    zone: Mapped[str] = mapped_column(default="UTC")
    at: Mapped[str] = mapped_column(default="")
    days: Mapped[list[Any]] = mapped_column(default=list)
    # A calendar begins when it is saved: no earlier occurrence is ever caught up.
    calendar_from_at: Mapped[datetime | None]
    # While paused its calendar stands still; readers stay subscribed, and issues can be made by hand.
    paused_at: Mapped[datetime | None]
    look_back_days: Mapped[int | None]
    minimum_stories: Mapped[int | None]
    is_default: Mapped[bool] = mapped_column(default=False)
    is_public: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]

    topic_links: Mapped[list["NewsletterTopic"]] = relationship(
        order_by="NewsletterTopic.position", cascade="all, delete-orphan"
    )
    holidays: Mapped[list["Holiday"]] = relationship(order_by="Holiday.on", cascade="all, delete-orphan")

    @property
    def topics(self) -> list[Topic]:
        """The topics it carries, in its section order."""
        return [link.topic for link in self.topic_links]


class NewsletterTopic(Base):
    """That a newsletter carries a topic, and where its section stands."""

    __tablename__ = "newsletter_topic"

    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletter.id", ondelete="CASCADE"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(ForeignKey("topic.id"), primary_key=True)
    position: Mapped[int]

    topic: Mapped[Topic] = relationship(lazy="joined")


class Holiday(Base):
    """A local date on which a newsletter does not appear."""

    __tablename__ = "holiday"

    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletter.id", ondelete="CASCADE"), primary_key=True)
    on: Mapped[date] = mapped_column("holiday_on", primary_key=True)
