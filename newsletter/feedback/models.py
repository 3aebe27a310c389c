"""Tables of what comes back: the growth of each day, how far it is counted, who left after an issue."""

from datetime import date, datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base


class GrowthDay(Base):
    """How many people came and left on one day: in all, of one newsletter, or of one topic."""

    __tablename__ = "growth_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    # Slugs, as consent records name them; both empty: the publication as a whole.
    newsletter: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    joined: Mapped[int] = mapped_column(default=0)
    departed: Mapped[int] = mapped_column(default=0)


class GrowthMark(Base):
    """How far the consent records are counted: one row."""

    __tablename__ = "growth_mark"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_id: Mapped[int] = mapped_column(default=0)
    counted_at: Mapped[datetime]


class IssueLeft(Base):
    """How many people left a newsletter in the days after an issue of it, and before the next one."""

    __tablename__ = "issue_left"

    issue_id: Mapped[int] = mapped_column(
        ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(default=0)
