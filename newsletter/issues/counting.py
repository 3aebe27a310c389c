"""The figures of open issues, counted as a job beside the pages that show them, and kept until something changes."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, or_, select

from newsletter import clock, db, jobs, settings
from newsletter.issues import background, editions, figuring, freezing
from newsletter.issues.figuring import Figures, Sample
from newsletter.issues.freezing import Content
from newsletter.issues.models import OPEN_ISSUES, Impact, Issue
from newsletter.mail import digest

JOB = "count_readers"

# Counting takes at most a sixth of the time, however many readers there are and however busy an editor is.
_REST = 5


@dataclass(frozen=True)
class Counted:
    """What a page shows: the figures kept, if any, when they were counted, and whether newer ones are on their way."""

    figures: dict[str, Any]
    counted_at: datetime | None
    is_current: bool


def of(issue: Issue) -> Counted:
    """The figures of an issue as they are kept. Nothing is counted here."""
    kept = db.session.get(Impact, issue.id)
    if kept is None:
        return Counted({}, None, is_current=False)
    is_current = kept.version == issue.version and kept.asked_at is None
    return Counted(kept.figures, kept.counted_at, is_current)


def ask(issue: Issue) -> None:
    """Have the readers counted anew, soon; flushes."""
    background.row(Impact, issue.id).asked_at = clock.now()
    db.session.flush()
    jobs.defer(JOB, issue_id=issue.id)


def due(now: datetime) -> list[int]:
    """Open issues whose figures are missing, asked for, older than the issue or too old: their ids."""
    return list(db.session.scalars(_due(now).order_by(Issue.id)))


def count(issue_id: int) -> None:
    """The job: count the readers of an issue and keep the figures. Owns its transactions; harmless twice."""
    began_at = clock.now()
    if db.session.scalar(_due(began_at).where(Issue.id == issue_id)) is None or _is_as_counted(issue_id, began_at):
        db.session.commit()
        return
    began = time.monotonic()
    with db.reading():
        db.session.rollback()
        issue = db.session.get_one(Issue, issue_id)
        version, content, dated_at = issue.version, freezing.content(issue), issue.send_at or began_at
        content_hash = freezing.hash_of(issue, content)
        # A reading transaction of many seconds would keep SQLite from tidying up behind those who write.
        found = figuring.figures(issue, after_page=db.session.rollback)
        db.session.rollback()
    figures = _as_value(found, content, dated_at)
    took = timedelta(seconds=time.monotonic() - began)
    if db.session.get(Issue, issue_id) is not None:
        kept = background.row(Impact, issue_id)
        kept.version, kept.content_hash, kept.figures, kept.counted_at = version, content_hash, figures, began_at
        kept.rests_until = clock.now() + max(settings.current().figures_rest, _REST * took)
        background.answered(kept, began_at=began_at)
    db.session.commit()


def _due(now: datetime) -> Select[int]:
    has_rested = or_(Impact.rests_until.is_(None), Impact.rests_until <= now)
    return (
        select(Issue.id)
        .outerjoin(Impact, Impact.issue_id == Issue.id)
        .where(
            Issue.state.in_(OPEN_ISSUES),
            or_(
                Impact.issue_id.is_(None),
                Impact.asked_at.is_not(None),
                and_(has_rested, or_(Impact.version != Issue.version, _is_old(now))),
            ),
        )
    )


def _is_old(now: datetime) -> Any:
    return Impact.counted_at <= now - settings.current().figures_lifetime


def _is_as_counted(issue_id: int, now: datetime) -> bool:
    """Whether the issue was moved on, approved for instance, and says what it said: its figures are those kept."""
    kept, issue = db.session.get(Impact, issue_id), db.session.get_one(Issue, issue_id)
    if kept is None or kept.counted_at is None or kept.asked_at is not None:
        return False
    if kept.counted_at <= now - settings.current().figures_lifetime:
        return False
    if kept.content_hash != freezing.hash_of(issue, freezing.content(issue)):
        return False
    kept.version = issue.version
    return True


def _as_value(found: Figures, content: Content, dated_at: datetime) -> dict[str, Any]:
    """The figures with names in place of ids, each sample with its subject and the bytes of its HTML."""
    names = {topic.id: topic.name for topic in content.sections}
    return {
        "articles": found.articles,
        "editions": found.editions,
        "readers": found.readers,
        "total": found.total,
        "skipped": found.skipped,
        "sections": [[name, found.sections.get(topic_id, 0)] for topic_id, name in names.items()],
        **{name: _sample(sample, content, dated_at) for name, sample in found.samples.items()},
    }


def _sample(sample: Sample, content: Content, dated_at: datetime) -> dict[str, Any]:
    rendered = editions.render(content, sample.selection, dated_at=dated_at)
    return {
        "stories": sample.stories,
        "readers": sample.readers,
        "subject": rendered.subject,
        "bytes": digest.size(rendered),
        "profile": figuring.stored_profile(sample.profile),
    }
