"""Tables of the issues: occurrences, issues, their articles, editions."""

import enum
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.articles.models import Article, Picture
from newsletter.db import Base
from newsletter.publication.models import Newsletter


class OccurrenceState(enum.StrEnum):
    DUE = "due"  # opened, its issue not yet released
    MOVED = "moved"  # the same, at a time an editor gave it
    DONE = "done"  # its issue was released, or held for an editor
    SKIPPED = "skipped"  # an editor or a holiday took it out
    MISSED = "missed"  # later than max_lateness when first seen

    @property
    def is_open(self) -> bool:
        """Whether its issue is still to be composed or released."""
        return self in OPEN_DATES


OPEN_DATES = (OccurrenceState.DUE, OccurrenceState.MOVED)


class Occurrence(Base):
    """One date on which a newsletter was to appear; the unique pair is what makes any number of schedulers safe."""

    __tablename__ = "occurrence"
    __table_args__ = (UniqueConstraint("newsletter_id", "local_on"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletter.id"))
    local_on: Mapped[date]
    due_at: Mapped[datetime]
    state: Mapped[OccurrenceState] = mapped_column(default=OccurrenceState.DUE)
    note: Mapped[str] = mapped_column(default="")

    newsletter: Mapped[Newsletter] = relationship()


class IssueState(enum.StrEnum):
    """What the issue itself stores; sending, paused, sent and cancelled after release are read from its run."""

    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    RELEASED = "released"
    CANCELLED = "cancelled"


# Not yet released or cancelled.
OPEN_ISSUES = (IssueState.DRAFT, IssueState.APPROVED, IssueState.SCHEDULED)
_IS_OPEN = "state IN ('draft', 'approved', 'scheduled') AND about_article_id IS NULL"


class Issue(Base):
    """One number of a newsletter."""

    __tablename__ = "issue"
    __table_args__ = (
        UniqueConstraint("newsletter_id", "number"),
        # One open issue per newsletter, notes to who had an article aside.
        Index(
            "uq_issue_open",
            "newsletter_id",
            unique=True,
            sqlite_where=text(_IS_OPEN),
            postgresql_where=text(_IS_OPEN),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletter.id"))
    number: Mapped[int]
    state: Mapped[IssueState] = mapped_column(default=IssueState.DRAFT)
    occurrence_id: Mapped[int | None] = mapped_column(ForeignKey("occurrence.id"), unique=True)
    # Of a note: it goes to who had this article in that issue, and brings an editor's words alone.
    about_article_id: Mapped[int | None] = mapped_column(ForeignKey("article.id"), index=True)
    about_issue_id: Mapped[int | None] = mapped_column(ForeignKey("issue.id"))
    # When it is to go; set by the calendar or an editor.
    send_at: Mapped[datetime | None]
    # Articles ready after this are later arrivals.
    cutoff_at: Mapped[datetime]
    look_back_from: Mapped[datetime]
    # An editor's own words; the subject goes to editions that carry the lead it was written for.
    subject: Mapped[str] = mapped_column(default="")
    subject_lead_id: Mapped[int | None] = mapped_column(ForeignKey("article.id"))
    preheader: Mapped[str] = mapped_column(default="")
    intro: Mapped[str] = mapped_column(default="")
    # Composed by the calendar, not by a person: says Auto-Submitted (RFC 3834 5).
    is_automatic: Mapped[bool] = mapped_column(default=False)
    # Why it waits for an editor; empty: it does not.
    held_reason: Mapped[str] = mapped_column(default="")
    frozen_hash: Mapped[str] = mapped_column(default="")
    # Everything the mail is made of, frozen at approval: stories, sections, words, template.
    frozen: Mapped[dict[str, Any] | None]
    # What the last approval or time changed, so that it can be taken back while nothing has left.
    undo: Mapped[dict[str, Any] | None]
    # The hash of a correction that is approved and not yet carried out: unsent messages are being moved to it.
    correction_hash: Mapped[str] = mapped_column(default="")
    # Its approval said to go on as soon as that is done.
    correction_resumes: Mapped[bool] = mapped_column(default=False)
    # An editor put the stories in order: composing again leaves it, and adds arrivals at the end.
    is_arranged: Mapped[bool] = mapped_column(default=False)
    # Subscribers who get no mail from it, counted by reason while it is planned.
    left_out: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Counters only grow on a draft: a save with an older version is refused.
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    approved_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]

    newsletter: Mapped[Newsletter] = relationship()
    entries: Mapped[list["IssueArticle"]] = relationship(order_by="IssueArticle.position", cascade="all, delete-orphan")
    approvals: Mapped[list["IssueApproval"]] = relationship(cascade="all, delete-orphan")
    occurrence: Mapped[Occurrence | None] = relationship()
    # Those taken out again among them.
    all_blocks: Mapped[list["IssueBlock"]] = relationship(order_by="IssueBlock.id", cascade="all, delete-orphan")

    @property
    def blocks(self) -> list["IssueBlock"]:
        """Notes, house ads and the sponsor, in the order they were added."""
        return [block for block in self.all_blocks if block.removed_at is None]

    @property
    def is_note(self) -> bool:
        """Whether it is a note to those who had an article."""
        return self.about_article_id is not None

    def put_in_order(self, entries: Iterable["IssueArticle"]) -> None:
        """Give its entries, all of them, the places they have in `entries`."""
        for position, entry in enumerate(entries):
            entry.position = position
        self.entries.sort(key=lambda entry: entry.position)

    @property
    def stories(self) -> list["IssueArticle"]:
        """What it brings, in its order: everything offered that no editor dropped and nobody withdrew."""
        return [entry for entry in self.entries if entry.dropped_at is None and entry.article.withdrawn_at is None]


class IssueArticle(Base):
    """An article offered to an issue: its place, and what an editor did with it."""

    __tablename__ = "issue_article"
    __table_args__ = (UniqueConstraint("issue_id", "article_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"))
    article_id: Mapped[int] = mapped_column(ForeignKey("article.id"), index=True)
    position: Mapped[int]
    is_pinned: Mapped[bool] = mapped_column(default=False)
    # What an editor dropped stays dropped for that newsletter.
    dropped_at: Mapped[datetime | None]
    headline: Mapped[str] = mapped_column(default="")  # for this issue only; empty: the article's
    dek: Mapped[str] = mapped_column(default="")

    article: Mapped[Article] = relationship()


class BlockKind(enum.StrEnum):
    NOTE = "note"  # from the editors
    AD = "ad"  # of the house's own
    SPONSOR = "sponsor"  # paid for, and says so


class BlockPlace(enum.StrEnum):
    TOP = "top"
    AFTER_LEAD = "after_lead"
    END = "end"


class IssueBlock(Base):
    """What editors put between the stories, the same for all readers; no article, so never in the ledger."""

    __tablename__ = "issue_block"
    __table_args__ = (
        # One sponsor an issue.
        Index(
            "uq_issue_block_sponsor",
            "issue_id",
            unique=True,
            sqlite_where=text("kind = 'sponsor' AND removed_at IS NULL"),
            postgresql_where=text("kind = 'sponsor' AND removed_at IS NULL"),
        ),
        Index("ix_issue_block_issue_id", "issue_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"))
    kind: Mapped[BlockKind]
    place: Mapped[BlockPlace]
    label: Mapped[str] = mapped_column(default="")
    markdown: Mapped[str] = mapped_column(default="")
    url: Mapped[str] = mapped_column(default="")
    link_text: Mapped[str] = mapped_column(default="")
    picture_id: Mapped[int | None] = mapped_column(ForeignKey("picture.id"))
    alt: Mapped[str] = mapped_column(default="")
    # Kept, so that taking it out can be undone.
    removed_at: Mapped[datetime | None]

    picture: Mapped[Picture | None] = relationship()


class IssueEdit(Base):
    """One change an editor made to an open issue, with what stood before: a step that can be undone."""

    __tablename__ = "issue_edit"
    __table_args__ = (Index("ix_issue_edit_issue", "issue_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"))
    editor_id: Mapped[int | None] = mapped_column(ForeignKey("editor.id", ondelete="SET NULL"))
    actor: Mapped[str]
    # What was done, for the button that undoes it: dropped “A lamp that folds flat”.
    label: Mapped[str]
    # Steps of one name that follow each other closely are one; empty: a step of its own.
    joins: Mapped[str] = mapped_column(default="")
    # Only what the change made otherwise: see undoing.State.
    before: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column("edited_at")


class IssueApproval(Base):
    """That an editor approved exactly this content."""

    __tablename__ = "issue_approval"
    __table_args__ = (UniqueConstraint("issue_id", "editor_id", "frozen_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"))
    editor_id: Mapped[int | None] = mapped_column(ForeignKey("editor.id", ondelete="SET NULL"))
    actor: Mapped[str]
    frozen_hash: Mapped[str]
    at: Mapped[datetime] = mapped_column("approved_at")


class _Background:
    """What is found out of an open issue beside the pages that show it: a row an issue."""

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True)
    # The version of the issue it was found out of, and what the issue said then.
    version: Mapped[int] = mapped_column(default=0)
    content_hash: Mapped[str] = mapped_column(default="")
    # An editor wants it anew; forgotten once it is.
    asked_at: Mapped[datetime | None]


class Impact(_Background, Base):
    """What sending an open issue would do, as counted last."""

    __tablename__ = "impact"

    # figuring.Figures as a value; none before the first counting.
    figures: Mapped[dict[str, Any]] = mapped_column(default=dict)
    counted_at: Mapped[datetime | None]
    # Before this it is not counted again by itself: an issue that is being edited changes every few seconds.
    rests_until: Mapped[datetime | None]


class Preflight(_Background, Base):
    """What was found when the finished mails of an open issue were looked through last."""

    __tablename__ = "preflight"

    findings: Mapped[list[Any]] = mapped_column(default=list)
    # The web addresses its mails link to, each with the places of the issue they come from.
    links: Mapped[list[Any]] = mapped_column(default=list)
    # The editions that were looked through: name, subject, bytes of HTML.
    mails: Mapped[list[Any]] = mapped_column(default=list)
    inspected_at: Mapped[datetime | None]


class TestMail(Base):
    """An edition sent to somebody who works here, before anybody else gets it."""

    __tablename__ = "test_mail"
    # A number is never given twice: the outbox knows its mails by it.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), index=True)
    address: Mapped[str]
    sender: Mapped[str]
    content_hash: Mapped[str]  # of the plate, as of an edition's
    plate: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)


class CheckedLink(Base):
    """What a web address answered when it was asked last."""

    __tablename__ = "checked_link"

    # SHA-256 of the address: an index holds no address of any length.
    key: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    status: Mapped[int | None]  # of HTTP; none when there was no answer
    problem: Mapped[str] = mapped_column(default="")  # why not, in a sentence
    checked_at: Mapped[datetime] = mapped_column(index=True)


class Edition(Base):
    """The articles shared by all readers of an issue who get exactly the same, rendered once at release."""

    __tablename__ = "edition"
    __table_args__ = (UniqueConstraint("issue_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"))
    # SHA-256 of the ordered selection with its read-next list.
    key: Mapped[str]
    readers: Mapped[int] = mapped_column(default=0)
    # For lists; what is sent stands in the plate.
    subject: Mapped[str] = mapped_column(deferred=True)
    # The SHA-256 that mail.press demands of the plate: every worker, attempt and upgrade sends the same bytes.
    content_hash: Mapped[str]
    # The mail as mail.press cast it, with slots where a reader's address, token, Message-ID and Date go.
    plate: Mapped[bytes] = mapped_column(deferred=True)
    # What it shows and where (selection.Selection), so that a correction takes a story out of just that; None: it was
    # released before this was kept.
    selection: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)

    stories: Mapped[list["EditionArticle"]] = relationship(cascade="all, delete-orphan")


class EditionPart(enum.StrEnum):
    STORY = "story"
    READ_NEXT = "read_next"


class EditionArticle(Base):
    """That an edition brings an article; "had" is read from message -> edition -> here."""

    __tablename__ = "edition_article"
    __table_args__ = (Index("ix_edition_article_article", "article_id", "edition_id"),)

    edition_id: Mapped[int] = mapped_column(ForeignKey("edition.id", ondelete="CASCADE"), primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("article.id"), primary_key=True)
    part: Mapped[EditionPart] = mapped_column(primary_key=True)
    # The newest correction of the article that these words know; 0: none.
    correction_id: Mapped[int] = mapped_column(default=0)
