"""What lies before the editors: what goes out next, what waits for them, what is on its way, and the list of it all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import selectinload

from newsletter import clock, db, errors
from newsletter.articles.models import Article
from newsletter.issues import calendar, composing, dates, lifecycle, runs
from newsletter.issues.models import Issue, IssueArticle, IssueState
from newsletter.outbox.models import Run, RunState
from newsletter.publication import newsletters
from newsletter.publication.models import Approval, Newsletter

PAGE = 30

_UNDER_WAY = (RunState.PLANNING, RunState.RUNNING, RunState.PAUSED)
_IN_RUN = {
    "sending": (RunState.PLANNING, RunState.RUNNING),
    "paused": (RunState.PAUSED,),
    "sent": (RunState.FINISHED,),
    "cancelled": (RunState.CANCELLED,),
}
STATES = ("draft", "approved", "scheduled", "sending", "paused", "sent", "cancelled")


@dataclass(frozen=True)
class Next:
    """The next appearance of a newsletter: when (None: by hand, no time set) and, once it is open, its issue."""

    newsletter: Newsletter
    due_at: datetime | None
    issue: Issue | None


def coming() -> list[Next]:
    """The next appearance of every newsletter, the soonest first, those without a time last."""
    now = clock.now()
    found = [_next(newsletter, now) for newsletter in newsletters.all()]
    far = datetime.max.replace(tzinfo=now.tzinfo)
    return sorted(found, key=lambda each: each.due_at or far)


def waiting() -> list[Issue]:
    """Drafts that need a person: an approval, or an answer to why they are held."""
    open_drafts = db.session.scalars(select(Issue).filter_by(state=IssueState.DRAFT).order_by(Issue.id))
    held = db.session.scalars(
        select(Issue).where(Issue.state.in_(lifecycle.READY), Issue.held_reason != "").order_by(Issue.id)
    )
    return [*(each for each in open_drafts if needs_approval(each) or each.held_reason), *held]


def story_counts(issues: Sequence[Issue]) -> dict[int, int]:
    """How many stories each of these issues brings, without reading them."""
    counted = (
        select(IssueArticle.issue_id, func.count())
        .join(Article, Article.id == IssueArticle.article_id)
        .where(
            IssueArticle.issue_id.in_([issue.id for issue in issues]),
            IssueArticle.dropped_at.is_(None),
            Article.withdrawn_at.is_(None),
        )
        .group_by(IssueArticle.issue_id)
    )
    found = {issue_id: int(number) for issue_id, number in db.session.execute(counted)}
    return {issue.id: found.get(issue.id, 0) for issue in issues}


def needs_approval(issue: Issue) -> bool:
    """Whether nobody but an editor will send this draft: approval is asked for, or it has no time of its own."""
    if issue.is_note or issue.newsletter.approval is not Approval.NONE:
        return True
    return calendar.schedule_of(issue.newsletter) is None


def under_way() -> list[Issue]:
    """Issues whose messages are leaving, or paused in the middle."""
    query = (
        select(Issue).join(Run, _run_of_issue()).where(Run.state.in_(_UNDER_WAY), Issue.state == IssueState.RELEASED)
    )
    return list(db.session.scalars(query.order_by(Issue.id)))


def page(*, newsletter: Newsletter | None = None, state: str = "", before: int | None = None) -> list[Issue]:
    """Up to PAGE issues below the id `before`, newest first; raises BadInput for an unknown state."""
    # With their stories, of which the list shows the lead and the number: read one by one they would be 800 queries.
    stories = selectinload(Issue.entries).selectinload(IssueArticle.article)
    query = select(Issue).options(stories).order_by(Issue.id.desc()).limit(PAGE)
    if newsletter is not None:
        query = query.where(Issue.newsletter_id == newsletter.id)
    if state:
        query = query.outerjoin(Run, _run_of_issue()).where(_is_shown_as(state))
    if before is not None:
        query = query.where(Issue.id < before)
    return list(db.session.scalars(query))


def get(issue_id: int) -> Issue:
    """The issue of an id; raises NotFound."""
    issue = db.session.get(Issue, issue_id)
    if issue is None:
        raise errors.NotFound("There is no such issue.")
    return issue


def carrying(article_id: int) -> list[Issue]:
    """The issues that bring an article, newest first."""
    query = select(Issue).where(
        Issue.entries.any(article_id=article_id, dropped_at=None), Issue.state != IssueState.CANCELLED
    )
    return list(db.session.scalars(query.order_by(Issue.id.desc()).limit(PAGE)))


def _next(newsletter: Newsletter, now: datetime) -> Next:
    issue = composing.open_issue(newsletter)
    if issue is not None and issue.send_at is not None:
        return Next(newsletter, issue.send_at, issue)
    return Next(newsletter, dates.next_appearance(newsletter, now), issue)


def _run_of_issue() -> ColumnElement[bool]:
    return and_(Run.kind == runs.KIND, Run.ref == Issue.id)


def _is_shown_as(state: str) -> ColumnElement[bool]:
    """The same mapping as lifecycle.shown_state, as a condition."""
    if state not in STATES:
        raise errors.BadInput("There is no such state.", field="state")
    before_release = and_(Issue.state == state) if state in list(IssueState) else None
    after_release = (
        and_(Issue.state == IssueState.RELEASED, Run.state.in_(_IN_RUN[state])) if state in _IN_RUN else None
    )
    return or_(*[each for each in (before_release, after_release) if each is not None])
