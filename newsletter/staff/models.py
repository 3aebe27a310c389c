"""Tables of the staff: editors, their one-time links and sessions, the audit log, notices."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.db import Base


class Role(enum.StrEnum):
    WRITER = "writer"
    EDITOR = "editor"
    PUBLISHER = "publisher"
    ADMIN = "admin"


class Editor(Base):
    """A person who works here."""

    __tablename__ = "editor"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(unique=True)  # canonical
    name: Mapped[str] = mapped_column(default="")
    role: Mapped[Role]
    password_hash: Mapped[str] = mapped_column(default="")
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class SetupLink(Base):
    """A one-time link by which an editor sets a password; only the token's digest is kept."""

    __tablename__ = "setup_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    editor: Mapped[Editor] = relationship()


class EditorSession(Base):
    """One logged-in browser; only the cookie's digest is kept, and ending the row ends the session."""

    __tablename__ = "editor_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    # When the editor last showed, by password or code, that it is them; unknown: not lately.
    proved_at: Mapped[datetime | None]
    agent: Mapped[str] = mapped_column(default="")
    source_address: Mapped[str] = mapped_column(default="")

    editor: Mapped[Editor] = relationship()


class Authenticator(Base):
    """An editor's app that shows codes (RFC 6238); its secret is kept sealed."""

    __tablename__ = "authenticator"

    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[str]
    # The step of the newest code taken: that one and older ones are not taken again.
    last_step: Mapped[int]
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """A code that stands in for the app, once; only its digest is kept."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str]
    used_at: Mapped[datetime | None]


class Unfollowed(Base):
    """A newsletter of which an editor does not want to be told; of every other one they are."""

    __tablename__ = "unfollowed"

    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id", ondelete="CASCADE"), primary_key=True)
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletter.id", ondelete="CASCADE"), primary_key=True)


class AuditEntry(Base):
    """Who changed what, with before and after; append-only."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column("recorded_at", index=True)
    editor_id: Mapped[int | None] = mapped_column(ForeignKey("editor.id", ondelete="SET NULL"))
    # The editor's address, or "command line", "scheduler".
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]  # "issue 42"
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Notice(Base):
    """Something one editor is told: a line on Today, and a mail ahead of issues."""

    __tablename__ = "notice"
    __table_args__ = (UniqueConstraint("editor_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id", ondelete="CASCADE"), index=True)
    issue_id: Mapped[int | None]
    subject: Mapped[str]
    text: Mapped[str]
    # The place to go, a path under the base URL.
    path: Mapped[str] = mapped_column(default="")
    # Told once: a second notice with the same key to the same editor is not made.
    key: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
