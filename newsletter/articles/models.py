"""Tables of what there is to read: feeds, articles, pictures."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.db import Base
from newsletter.publication.models import Topic


class Feed(Base):
    """A feed that is polled, with what its last fetch said."""

    __tablename__ = "feed"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="en")
    etag: Mapped[str] = mapped_column(default="")
    last_modified: Mapped[str] = mapped_column(default="")
    is_active: Mapped[bool] = mapped_column(default=True)
    first_fetched_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]
    next_fetch_at: Mapped[datetime] = mapped_column(index=True)
    failures: Mapped[int] = mapped_column(default=0)
    # One sentence for the editor: why the last fetch failed, or what of it could not be read.
    last_error: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]

    mappings: Mapped[list["FeedMapping"]] = relationship(cascade="all, delete-orphan")


class FeedMapping(Base):
    """A feed's category -> topic; the empty category gives its topic to every item of the feed."""

    __tablename__ = "feed_mapping"
    __table_args__ = (UniqueConstraint("feed_id", "category", "topic_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id", ondelete="CASCADE"))
    category: Mapped[str] = mapped_column(default="")
    topic_id: Mapped[int] = mapped_column(ForeignKey("topic.id"))

    topic: Mapped[Topic] = relationship(lazy="joined")


class Picture(Base):
    """A picture of ours, re-encoded as JPEG from what a feed or an editor named."""

    __tablename__ = "picture"

    id: Mapped[int] = mapped_column(primary_key=True)
    source_url: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime]

    renditions: Mapped[list["Rendition"]] = relationship(
        order_by="Rendition.width.desc()", cascade="all, delete-orphan"
    )


class Rendition(Base):
    """One size of a picture, served from /media/<hash>; in the database, so every machine has it."""

    __tablename__ = "rendition"
    __table_args__ = (UniqueConstraint("picture_id", "label"),)

    # SHA-256 of the bytes, hex. Two pictures may share bytes, hence not the key.
    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(index=True)
    picture_id: Mapped[int] = mapped_column(ForeignKey("picture.id", ondelete="CASCADE"))
    label: Mapped[str]  # "wide" or "small"
    width: Mapped[int]
    height: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class Article(Base):
    """One story of the magazine, however many feeds or addresses it came by."""

    __tablename__ = "article"
    __table_args__ = (Index("ix_article_ready", "ready_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    # The canonical link as shown, and the same without tracking parameters as identity.
    url: Mapped[str]
    url_key: Mapped[str] = mapped_column(unique=True)
    headline: Mapped[str]
    dek: Mapped[str] = mapped_column(default="")
    body_html: Mapped[str] = mapped_column(default="", deferred=True)
    # What body_html was made of when an editor wrote it; empty: it came as HTML.
    body_markdown: Mapped[str] = mapped_column(default="", deferred=True)
    author: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="en")
    published_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]
    # When it first was seen, published, tagged and not withheld, all at once; None while it is not.
    ready_at: Mapped[datetime | None]
    # Undated items of a feed's first fetch are kept, not offered.
    is_withheld: Mapped[bool] = mapped_column(default=False)
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str] = mapped_column(default="")
    # Names of the fields (correcting.FIELDS) an editor's words stand in: no feed overwrites them until they are let go.
    held_fields: Mapped[list[Any]] = mapped_column(default=list)
    updated_at: Mapped[datetime]
    # None: unknown, and hidden.
    hypes: Mapped[int | None]
    comments: Mapped[int | None]
    priority: Mapped[int] = mapped_column(default=0)
    is_evergreen: Mapped[bool] = mapped_column(default=False)
    picture_id: Mapped[int | None] = mapped_column(ForeignKey("picture.id"))
    picture_alt: Mapped[str] = mapped_column(default="")
    # Where the feed says the picture is, until it has been fetched.
    picture_url: Mapped[str] = mapped_column(default="")

    topic_links: Mapped[list["ArticleTopic"]] = relationship(
        order_by="ArticleTopic.position", cascade="all, delete-orphan"
    )
    tags: Mapped[list["ArticleTag"]] = relationship(cascade="all, delete-orphan")
    sources: Mapped[list["ArticleSource"]] = relationship(cascade="all, delete-orphan")
    picture: Mapped[Picture | None] = relationship()

    @property
    def topics(self) -> list[Topic]:
        """Its topics, the main one first."""
        return [link.topic for link in self.topic_links]


class ArticleCorrection(Base):
    """That an editor changed an article's words: each field with what stood there and what stands there since."""

    __tablename__ = "article_correction"

    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), index=True)
    corrected_at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    # A mail shows one of the fields: whoever has not had theirs gets the new words.
    is_shown: Mapped[bool]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]


class TagSource(enum.StrEnum):
    FEED = "feed"
    EDITOR = "editor"


class ArticleTopic(Base):
    """That an article is about a topic."""

    __tablename__ = "article_topic"
    __table_args__ = (Index("ix_article_topic_topic", "topic_id", "article_id"),)

    article_id: Mapped[int] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(ForeignKey("topic.id"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)
    # An editor's choice is never undone by the next fetch.
    source: Mapped[TagSource] = mapped_column(default=TagSource.FEED)

    topic: Mapped[Topic] = relationship(lazy="joined")


class ArticleTag(Base):
    """A free tag, as the feed wrote it."""

    __tablename__ = "article_tag"

    article_id: Mapped[int] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)


class ArticleSource(Base):
    """That a feed carries an article under a guid (or, without one, its link)."""

    __tablename__ = "article_source"
    __table_args__ = (UniqueConstraint("feed_id", "guid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), index=True)
    feed_id: Mapped[int | None] = mapped_column(ForeignKey("feed.id", ondelete="SET NULL"))
    guid: Mapped[str]
    content_hash: Mapped[str]
    seen_at: Mapped[datetime]
