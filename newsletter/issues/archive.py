"""Released issues as anybody may read them on the web, nothing personal in them."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select

from newsletter import db, errors
from newsletter.articles.models import ArticleTopic
from newsletter.issues import amendments, editions, freezing, matching, selection
from newsletter.issues.amendments import Amended
from newsletter.issues.freezing import Content, FrozenStory
from newsletter.issues.models import Issue, IssueArticle, IssueState
from newsletter.mail.digest import Digest
from newsletter.publication.models import Newsletter, Topic


@dataclass(frozen=True)
class Published:
    """An issue on the web: its view, title and day; `corrected_at` when a story was withdrawn or corrected since."""

    issue: Issue
    view: Digest
    title: str
    dated_at: datetime
    corrected_at: datetime | None
    is_shorter: bool = False  # a story was taken out

    @property
    def updated_at(self) -> datetime:
        """When the page last changed."""
        return self.corrected_at or self.issue.released_at or self.dated_at


@dataclass(frozen=True)
class Carried:
    """What an issue was the first to bring on one topic."""

    issue: Issue
    dated_at: datetime
    stories: list[FrozenStory]


def issues(
    newsletter: Newsletter | None = None, *, topic: Topic | None = None, limit: int = 50, before: int | None = None
) -> list[Issue]:
    """Released issues of the public newsletters, newest first; `before` walks on from the last one's id."""
    query = _public().order_by(Issue.id.desc()).limit(limit)
    if newsletter is not None:
        query = query.where(Issue.newsletter_id == newsletter.id)
    if topic is not None:
        query = query.where(_carries(topic))
    if before is not None:
        query = query.where(Issue.id < before)
    return list(db.session.scalars(query))


def count(newsletter: Newsletter) -> int:
    """How many issues of a newsletter there are to read."""
    return db.session.scalar(_public(func.count()).where(Issue.newsletter_id == newsletter.id)) or 0


def latest(newsletter: Newsletter) -> Issue | None:
    """The newest released issue of a public newsletter: what a visitor is shown as a sample."""
    query = _public().where(Issue.newsletter_id == newsletter.id, Issue.about_article_id.is_(None))
    found: Issue | None = db.session.scalars(query.order_by(Issue.id.desc()).limit(1)).first()
    return found


def find(slug: str, number: int) -> Issue:
    """A released issue by its newsletter's slug and its number; raises NotFound."""
    issue: Issue | None = db.session.scalars(_public().where(Newsletter.slug == slug, Issue.number == number)).first()
    if issue is None:
        raise errors.NotFound("There is no such issue.")
    return issue


def published(issue: Issue) -> Published:
    """An issue with all its stories in full sections, without those withdrawn since, and in corrected words."""
    amended, corrected_at = _corrected(issue)
    content = amended.content
    whole = selection.everything(matching.pool(content), _lead_id(content))
    return Published(
        issue,
        editions.view(content, whole, dated_at=_dated_at(issue)),
        editions.subject(content, whole),
        _dated_at(issue),
        corrected_at,
        is_shorter=any(each.withdrawn for each in amended.of_stories),
    )


def carried(issue: Issue, topic: Topic) -> Carried:
    """What an issue was the first to bring on a topic, in its order."""
    amended, _ = _corrected(issue)
    stories = [story for story in amended.content.stories if story.is_fresh and topic.id in story.topic_ids]
    return Carried(issue, _dated_at(issue), stories)


def _public(*columns: ColumnElement[int]) -> Select[Any]:
    return (
        select(*(columns or (Issue,)))
        .select_from(Issue)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(Issue.state == IssueState.RELEASED, Newsletter.is_public)
    )


def _carries(topic: Topic) -> ColumnElement[bool]:
    return exists().where(
        IssueArticle.issue_id == Issue.id,
        IssueArticle.dropped_at.is_(None),
        ArticleTopic.article_id == IssueArticle.article_id,
        ArticleTopic.topic_id == topic.id,
    )


def _corrected(issue: Issue) -> tuple[Amended, datetime | None]:
    # Its newsletter is public now, whatever it was when the issue was approved.
    content = dataclasses.replace(freezing.content(issue), is_public=True)
    amended = amendments.of(content)
    return amended, max((each.at for each in amended.of_stories), default=None)


def _dated_at(issue: Issue) -> datetime:
    return issue.send_at or issue.released_at or issue.cutoff_at


def _lead_id(content: Content) -> int | None:
    # Stories that an earlier issue brought are there for readers who missed them; they do not lead the page.
    section_ids = {topic.id for topic in content.sections}
    fresh = (story.id for story in content.stories if story.is_fresh and section_ids & set(story.topic_ids))
    return next(fresh, None)
