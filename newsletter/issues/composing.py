"""Building the open issue of a newsletter from the articles that are there, without undoing an editor."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from newsletter import clock, db, settings
from newsletter.articles.models import Article
from newsletter.issues import candidates, figuring, lifecycle
from newsletter.issues.figuring import Figures
from newsletter.issues.models import OPEN_ISSUES, Issue, IssueArticle, IssueState
from newsletter.publication.models import Newsletter

_SCHEDULER = "scheduler"


def compose(newsletter: Newsletter, *, now: datetime | None = None, is_automatic: bool = False) -> Issue:
    """The newsletter's one open issue, new or brought up to date; flushed.

    What arrived since is added, what an editor did stays, an approved issue is a draft again. With fewer new
    stories than the minimum its `held_reason` says so.
    """
    now = now or clock.now()
    issue = open_issue(newsletter) or _open(newsletter, now, is_automatic=is_automatic)
    # Two who compose at once take turns; whoever waited sees the other's entries.
    db.session.refresh(issue, with_for_update=True)
    if issue.state is not IssueState.DRAFT:
        lifecycle.return_to_draft(issue, actor=_SCHEDULER if is_automatic else "composing", reason="composed again")
    lifecycle.thaw(issue)
    _renew(issue, now)
    issue.held_reason = too_few(issue)
    db.session.flush()
    return issue


def open_issue(newsletter: Newsletter) -> Issue | None:
    """The newsletter's issue that is not yet released or cancelled; there is never more than one."""
    return db.session.scalars(
        select(Issue).where(
            Issue.newsletter_id == newsletter.id,
            Issue.state.in_(OPEN_ISSUES),
            Issue.about_article_id.is_(None),
        )
    ).first()


def next_number(newsletter: Newsletter) -> int:
    """The number the newsletter's next issue bears."""
    return (db.session.scalar(select(func.max(Issue.number)).filter_by(newsletter_id=newsletter.id)) or 0) + 1


def too_few(issue: Issue) -> str:
    """The sentence for an editor when the issue has fewer new stories than its newsletter asks for, else empty."""
    offered = {entry.article_id for entry in issue.stories}
    fresh = len(offered - candidates.carried_before(issue))
    least = issue.newsletter.minimum_stories
    needed = settings.current().issue_minimum if least is None else least
    if fresh >= needed:
        return ""
    counted = "no new story" if fresh == 0 else "1 new story" if fresh == 1 else f"{fresh} new stories"
    return f"It has {counted}, and {issue.newsletter.title} asks for at least {needed}."


def place(issue: Issue, arrivals: set[int]) -> None:
    """Put the entries in order, `arrivals` being new: by the rules, or at the end of what an editor arranged."""
    if issue.is_arranged:
        placed = [entry for entry in issue.entries if entry.article_id not in arrivals]
        placed.sort(key=lambda entry: entry.position)
        new = {entry.article_id: entry for entry in issue.entries if entry.article_id in arrivals}
        placed += [new[article.id] for article in candidates.in_order([entry.article for entry in new.values()])]
    else:
        pinned = sorted((entry for entry in issue.entries if entry.is_pinned), key=lambda entry: entry.position)
        rest = {entry.article_id: entry for entry in issue.entries if not entry.is_pinned}
        ordered: list[Article] = candidates.in_order([entry.article for entry in rest.values()])
        placed = pinned + [rest[article.id] for article in ordered]
    issue.put_in_order(placed)


def figures(issue: Issue) -> Figures:
    """Articles, editions, readers and who would get nothing, as of now."""
    return figuring.figures(issue)


def _open(newsletter: Newsletter, now: datetime, *, is_automatic: bool) -> Issue:
    issue = Issue(
        newsletter_id=newsletter.id,
        number=next_number(newsletter),
        state=IssueState.DRAFT,
        cutoff_at=now,
        look_back_from=now,
        is_automatic=is_automatic,
        created_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(issue)
    except IntegrityError:
        # Somebody else opened it at this very moment: there is one, and it is theirs.
        found = open_issue(newsletter)
        if found is None:
            raise
        return found
    return issue


def _renew(issue: Issue, now: datetime) -> None:
    window = candidates.window(issue.newsletter, now)
    found = candidates.find(issue.newsletter, window)
    _leave_out(issue, {article.id for article in found})
    known = {entry.article_id for entry in issue.entries}
    arrivals = [article for article in found if article.id not in known]
    issue.entries.extend(IssueArticle(article=article, article_id=article.id, position=0) for article in arrivals)
    place(issue, {article.id for article in arrivals})
    issue.cutoff_at, issue.look_back_from = window.end, window.start
    issue.version += 1


def _leave_out(issue: Issue, found: set[int]) -> None:
    """Take out what slid out of the window or may not be offered any more; an editor's choice stays while it may."""
    allowed = candidates.offerable(issue.newsletter, [entry.article_id for entry in issue.entries])
    for entry in list(issue.entries):
        chosen = entry.dropped_at is not None or entry.is_pinned or entry.headline or entry.dek
        if entry.article_id not in found and not (chosen and (entry.article_id in allowed or entry.dropped_at)):
            issue.entries.remove(entry)
