"""Released issues as anybody may read them on the web, nothing personal in them."""

from datetime import datetime

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.issues import editions, freezing, matching, selection
from newsletter.issues.freezing import Content
from newsletter.issues.models import Issue, IssueState
from newsletter.mail.digest import Digest
from newsletter.publication.models import Newsletter


def issues(newsletter: Newsletter | None = None, *, limit: int = 50, before: datetime | None = None) -> list[Issue]:
    """Released issues of the public newsletters, newest first; `before` walks on from the last one's released_at."""
    query = (
        select(Issue)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(Issue.state == IssueState.RELEASED, Newsletter.is_public)
        .order_by(Issue.released_at.desc(), Issue.id.desc())
        .limit(limit)
    )
    if newsletter is not None:
        query = query.where(Issue.newsletter_id == newsletter.id)
    if before is not None:
        query = query.where(Issue.released_at < before)
    return list(db.session.scalars(query))


def latest(newsletter: Newsletter) -> Issue | None:
    """The newest released issue of a public newsletter: what a visitor is shown as a sample."""
    return next(iter(issues(newsletter, limit=1)), None)


def find(slug: str, number: int) -> Issue:
    """A released issue by its newsletter's slug and its number; raises NotFound."""
    issue = db.session.scalars(
        select(Issue)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(
            Newsletter.slug == slug,
            Newsletter.is_public,
            Issue.number == number,
            Issue.state == IssueState.RELEASED,
        )
    ).first()
    if issue is None:
        raise errors.NotFound("There is no such issue.")
    return issue


def view(issue: Issue) -> Digest:
    """All stories of an issue in full sections."""
    content = freezing.content(issue)
    whole = selection.everything(matching.pool(content), _lead_id(content))
    return editions.view(content, whole, dated_at=issue.send_at or clock.now())


def title(issue: Issue) -> str:
    """What the issue is called in a list: its subject."""
    content = freezing.content(issue)
    return editions.subject(content, selection.everything(matching.pool(content), _lead_id(content)))


def _lead_id(content: Content) -> int | None:
    # Stories that an earlier issue brought are there for readers who missed them; they do not lead the page.
    section_ids = {topic.id for topic in content.sections}
    fresh = (story.id for story in content.stories if story.is_fresh and section_ids & set(story.topic_ids))
    return next(fresh, None)
