"""Which articles an issue may draw on: those that became ready in its window, in the order they are offered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, exists, func, select

from newsletter import db, settings
from newsletter.articles.models import Article, ArticleTopic
from newsletter.issues import calendar
from newsletter.issues.models import Edition, EditionArticle, EditionPart, Issue, IssueArticle, IssueState
from newsletter.publication.models import Newsletter, NewsletterKind

# A selection is the best of the week (product: "the last 7 days' sent stories").
_SELECTION_SPAN = timedelta(days=7)


@dataclass(frozen=True)
class Window:
    """From when (exclusive) to when (inclusive) an article must have become ready, or been sent."""

    start: datetime
    end: datetime


def window(newsletter: Newsletter, cutoff: datetime) -> Window:
    """The window that ends at an issue's cut-off."""
    if newsletter.kind is NewsletterKind.SELECTION:
        return Window(cutoff - _SELECTION_SPAN, cutoff)
    return Window(cutoff - _look_back(newsletter, cutoff), cutoff)


def find(newsletter: Newsletter, window: Window) -> list[Article]:
    """The articles a newsletter may offer, in issue order; without what its editors dropped before."""
    return in_order(db.session.scalars(select(Article).where(*_drawn_on(newsletter, window))).all())


def arrivals(
    issue: Issue, now: datetime, *, limit: int | None = None, among: Sequence[int] | None = None
) -> list[Article]:
    """What could be offered now and is not in the issue, in issue order; `among`: of these articles alone."""
    query = select(Article).where(*_arrived(issue, now)).order_by(*_RANK).limit(limit)
    if among is not None:
        query = query.where(Article.id.in_(among))
    return list(db.session.scalars(query))


def count_arrivals(issue: Issue, now: datetime) -> int:
    """How many articles could be offered now and are not in the issue."""
    return db.session.scalar(select(func.count()).select_from(Article).where(*_arrived(issue, now))) or 0


def offerable(newsletter: Newsletter, article_ids: Sequence[int]) -> set[int]:
    """Those of the articles that may still be offered: tagged for it, in its language, not withdrawn or withheld."""
    query = select(Article.id).where(Article.id.in_(article_ids), *_offerable(newsletter))
    return set(db.session.scalars(query))


def carried_before(issue: Issue) -> set[int]:
    """The issue's articles that an earlier released issue of the newsletter offered as well."""
    earlier = (
        select(IssueArticle.article_id)
        .join(Issue, Issue.id == IssueArticle.issue_id)
        .where(
            Issue.newsletter_id == issue.newsletter_id,
            Issue.id != issue.id,
            Issue.state == IssueState.RELEASED,
            IssueArticle.dropped_at.is_(None),
            IssueArticle.article_id.in_([entry.article_id for entry in issue.entries]),
        )
    )
    return set(db.session.scalars(earlier))


def evergreens(newsletter: Newsletter, limit: int) -> list[Article]:
    """Articles that are always good to read, for What to read next when nothing else is left; newest first."""
    query = select(Article).where(
        Article.is_evergreen,
        Article.ready_at.is_not(None),
        Article.withdrawn_at.is_(None),
        Article.language == newsletter.language,
    )
    return list(db.session.scalars(query.order_by(Article.ready_at.desc(), Article.id.desc()).limit(limit)))


def in_order(articles: Sequence[Article]) -> list[Article]:
    """Priority, then hypes and comments, then the newest."""
    return sorted(articles, key=_rank)


def _arrived(issue: Issue, now: datetime) -> list[ColumnElement[bool]]:
    known = select(IssueArticle.article_id).where(IssueArticle.issue_id == issue.id)
    return [*_drawn_on(issue.newsletter, window(issue.newsletter, now)), Article.id.not_in(known)]


def _drawn_on(newsletter: Newsletter, window: Window) -> list[ColumnElement[bool]]:
    source = _sent(newsletter, window) if newsletter.kind is NewsletterKind.SELECTION else _ready(window)
    return [source, *_offerable(newsletter), Article.id.not_in(_dropped(newsletter))]


def _look_back(newsletter: Newsletter, cutoff: datetime) -> timedelta:
    present = settings.current()
    if newsletter.look_back_days:
        return timedelta(days=newsletter.look_back_days)
    schedule = calendar.schedule_of(newsletter)
    gap = calendar.gap_around(schedule, cutoff) if schedule else None
    # Twice the gap, so that what overflowed or came back unread in one issue can still come in the next.
    return min(2 * gap, present.look_back_most) if gap else present.look_back_by_hand


def _offerable(newsletter: Newsletter) -> list[ColumnElement[bool]]:
    carried = [topic.id for topic in newsletter.topics]
    about = exists().where(ArticleTopic.article_id == Article.id, ArticleTopic.topic_id.in_(carried))
    return [
        about,
        Article.ready_at.is_not(None),
        Article.withdrawn_at.is_(None),
        Article.is_withheld.is_(False),
        Article.language == newsletter.language,
    ]


def _ready(window: Window) -> ColumnElement[bool]:
    return (Article.ready_at > window.start) & (Article.ready_at <= window.end)


def _sent(newsletter: Newsletter, window: Window) -> ColumnElement[bool]:
    brought = (
        select(EditionArticle.article_id)
        .join(Edition, Edition.id == EditionArticle.edition_id)
        .join(Issue, Issue.id == Edition.issue_id)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(
            EditionArticle.part == EditionPart.STORY,
            Newsletter.kind == NewsletterKind.DIGEST,
            Newsletter.language == newsletter.language,
            Issue.state == IssueState.RELEASED,
            Issue.released_at > window.start,
            Issue.released_at <= window.end,
        )
    )
    return Article.id.in_(brought)


def _dropped(newsletter: Newsletter) -> Select[int]:
    return (
        select(IssueArticle.article_id)
        .join(Issue, Issue.id == IssueArticle.issue_id)
        .where(Issue.newsletter_id == newsletter.id, IssueArticle.dropped_at.is_not(None))
    )


# The same as _rank, for the database.
_RANK = (
    Article.priority.desc(),
    (func.coalesce(Article.hypes, 0) + func.coalesce(Article.comments, 0)).desc(),
    func.coalesce(Article.published_at, Article.ready_at, Article.seen_at).desc(),
    Article.id.desc(),
)


def _rank(article: Article) -> tuple[int, int, float, int]:
    newest = article.published_at or article.ready_at or article.seen_at
    return (
        -article.priority,
        -((article.hypes or 0) + (article.comments or 0)),
        -newest.timestamp(),
        -article.id,
    )
