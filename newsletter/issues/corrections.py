"""An article is withdrawn or corrected: drafts change with it, what was approved waits, and what is leaving stops."""

from dataclasses import dataclass

from sqlalchemy import exists, or_, select

from newsletter import db, errors
from newsletter.articles import correcting, publishing
from newsletter.articles.correcting import Words
from newsletter.articles.models import Article, ArticleCorrection
from newsletter.issues import amendments, composing, freezing, lifecycle, runs, undoing
from newsletter.issues.editing import Hand
from newsletter.issues.models import OPEN_ISSUES, Edition, EditionArticle, Issue, IssueArticle, IssueState
from newsletter.outbox import readdressing
from newsletter.outbox.models import RunState
from newsletter.staff import audit, notices

# Shown states of issues that wait for an editor once a story of theirs is withdrawn or corrected.
STOPPED = ("approved", "scheduled", "sending", "paused")

_MOST = 50  # issues of one article; a story that came to more has long been had

_DONE = {
    "draft": "drops it",
    "approved": "is held",
    "scheduled": "is held",
    "sending": "is paused",
    "paused": "stays paused",
}


@dataclass(frozen=True)
class Touched:
    """An issue that brings an article, and its state as shown; `readers`: how many it was made for, once released."""

    issue: Issue
    state: str
    readers: int = 0

    @property
    def name(self) -> str:
        return f"{self.issue.newsletter.title} {self.issue.number}"

    def __str__(self) -> str:
        told = f"{self.name} {self.state}"
        return f"{told} to {self.readers:,}" if self.readers and self.state in ("sent", "sending", "paused") else told


def touched(article_id: int) -> list[Touched]:
    """The issues that bring an article, or would: open ones first, then the newest."""
    offered = exists().where(
        IssueArticle.issue_id == Issue.id, IssueArticle.article_id == article_id, IssueArticle.dropped_at.is_(None)
    )
    brought = exists().where(
        EditionArticle.article_id == article_id, EditionArticle.edition_id == Edition.id, Edition.issue_id == Issue.id
    )
    # An approved issue may bring it as what to read next as well.
    is_open = Issue.state.in_(OPEN_ISSUES)
    released = (Issue.state == IssueState.RELEASED) & brought
    query = select(Issue).where(or_(is_open & offered, Issue.state.in_(lifecycle.READY), released))
    found = db.session.scalars(query.order_by(is_open.desc(), Issue.id.desc()).limit(_MOST)).all()
    return [_touched(issue, article_id) for issue in found if _brings(issue, article_id)]


def withdraw(article_id: int, *, reason: str, hand: Hand) -> list[Touched]:
    """Take an article out of everything that has not left; the issues it was in, as they were. Raises BadInput.

    Drafts drop it, approved issues are held, sending ones stop within a message a connection, and editors are told.
    """
    reason = _checked(reason)
    article = correcting.get(article_id)
    if article.withdrawn_at is not None:
        raise errors.Conflict("This article is withdrawn already.")
    publishing.withdraw(article, reason)
    found = touched(article.id)
    after = {"reason": reason, "issues": [str(each) for each in found]}
    audit.record(hand.actor, "article withdrawn", _subject(article), after=after, editor_id=hand.editor_id)
    _stop(article, found, hand)
    _tell(article, found, "withdrawn", reason, hand)
    return found


def correct(
    article_id: int, words: Words, *, reason: str, hand: Hand
) -> tuple[ArticleCorrection | None, list[Touched]]:
    """Write an editor's words into an article, and stop like `withdraw` what would still go in the old ones.

    The correction is None, and nothing was stopped, when the article says so already.
    """
    article = correcting.get(article_id)
    correction = correcting.correct(article, words, actor=hand.actor, reason=_checked(reason, needed=False))
    if correction is None:
        return None, []
    found = touched(article.id) if correction.is_shown else []
    audit.record(
        hand.actor,
        "article corrected",
        _subject(article),
        before={name: value for name, value in correction.before.items() if name in correcting.SHOWN},
        after={name: value for name, value in correction.after.items() if name in correcting.SHOWN}
        | ({"reason": correction.reason} if correction.reason else {})
        | ({"issues": [str(each) for each in found]} if found else {}),
        editor_id=hand.editor_id,
    )
    _stop(article, found, hand, correction)
    if any(each.state != "draft" for each in found):
        _tell(article, found, "corrected", correction.reason, hand)
    return correction, found


def _brings(issue: Issue, article_id: int) -> bool:
    if issue.state not in lifecycle.READY:
        return True
    content = freezing.content(issue)
    return any(story.id == article_id for story in (*content.stories, *content.evergreens))


def _touched(issue: Issue, article_id: int) -> Touched:
    if issue.state is not IssueState.RELEASED:
        return Touched(issue, lifecycle.shown_state(issue))
    return Touched(issue, lifecycle.shown_state(issue), sum(readers for _, readers in editions_with(issue, article_id)))


def editions_with(issue: Issue, article_id: int) -> list[tuple[int, int]]:
    """The editions of an issue that bring an article, and how many readers each was made for."""
    query = (
        select(Edition.id, Edition.readers)
        .join(EditionArticle, EditionArticle.edition_id == Edition.id)
        .where(Edition.issue_id == issue.id, EditionArticle.article_id == article_id)
        .distinct()
    )
    return [(row.id, row.readers) for row in db.session.execute(query)]


def _stop(article: Article, found: list[Touched], hand: Hand, correction: ArticleCorrection | None = None) -> None:
    # By id, so that two who do this at once wait for each other and do not lock each other out.
    for issue in sorted((each.issue for each in found), key=lambda each: each.id):
        db.session.refresh(issue, with_for_update=True)
        if correction is not None and issue.state in OPEN_ISSUES:
            _take_words(issue, article, correction)
            # A step of before would bring the old words back.
            undoing.forget(issue)
        if issue.state is IssueState.DRAFT:
            lifecycle.thaw(issue)
            issue.version += 1
            issue.held_reason = composing.too_few(issue)
            db.session.flush()
        elif issue.state in lifecycle.READY:
            _hold(issue, hand)
        else:
            _pause(issue, hand)


def _take_words(issue: Issue, article: Article, correction: ArticleCorrection) -> None:
    """What an issue calls the article in words of its own gives way to the correction of just that."""
    for entry in issue.entries:
        if entry.article_id == article.id:
            entry.headline = "" if "headline" in correction.after else entry.headline
            entry.dek = "" if "dek" in correction.after else entry.dek
    if "headline" in correction.after and issue.subject_lead_id == article.id:
        issue.subject, issue.subject_lead_id = "", None


def _hold(issue: Issue, hand: Hand) -> None:
    reason = amendments.of(freezing.content(issue)).reason
    if reason:
        lifecycle.hold(issue, reason, actor=hand.actor)


def _pause(issue: Issue, hand: Hand) -> None:
    run = runs.find(issue)
    if run is None or run.state is not RunState.RUNNING:
        return
    if readdressing.has_open(run, amendments.stale_editions(issue.id)):
        reason = amendments.of(freezing.content(issue)).reason
        lifecycle.pause(issue, actor=hand.actor, reason=reason, editor_id=hand.editor_id)


def _tell(article: Article, found: list[Touched], done: str, reason: str, hand: Hand) -> None:
    if not found:
        return
    lines = [f"{each}: it {_DONE[each.state]}." if each.state in _DONE else f"{each}." for each in found]
    if done == "corrected":
        lines = [line.replace("drops it", "takes the new words") for line in lines]
    issues = [each.issue.id for each in found if each.state in _DONE]
    notices.tell(
        f"{done}:{article.id}:{article.updated_at if done == 'corrected' else article.withdrawn_at}",
        subject=f"“{article.headline}” was {done}",
        text="\n".join([f"By {hand.actor}{f': {reason}' if reason else '.'}", *lines]),
        path=f"/admin/issues/{issues[0]}" if len(issues) == 1 else f"/admin/articles/{article.id}/withdrawal",
        issue_id=issues[0] if len(issues) == 1 else None,
    )


def _checked(reason: str, *, needed: bool = True) -> str:
    reason = " ".join(reason.split())
    if needed and not reason:
        raise errors.BadInput("Say why in a sentence: whoever follows these issues reads it.", field="reason")
    if len(reason) > correcting.LONGEST["reason"]:
        raise errors.BadInput(f"The reason has more than {correcting.LONGEST['reason']:,} characters.", field="reason")
    return reason


def _subject(article: Article) -> str:
    return f"article {article.id}"
