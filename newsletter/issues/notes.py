"""A note to those who had an article in an issue: an issue of the newsletter with an editor's words and no stories."""

from dataclasses import dataclass

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.articles import catalogue
from newsletter.articles.models import Article
from newsletter.issues import composing, corrections
from newsletter.issues.editing import Hand
from newsletter.issues.models import OPEN_ISSUES, Issue, IssueState
from newsletter.staff import audit


@dataclass(frozen=True)
class About:
    """What a note is about: the article, and the issue it was had in."""

    article: Article
    issue: Issue


def write(article_id: int, issue_id: int, hand: Hand) -> Issue:
    """The open note about an article in an issue, new if there is none; flushed.

    It is worded, approved and sent like any issue of the newsletter. Raises Conflict where nobody can have had it.
    """
    article, issue = catalogue.get(article_id), db.session.get(Issue, issue_id)
    if issue is None or issue.is_note:
        raise errors.NotFound("There is no such issue.")
    if issue.state is not IssueState.RELEASED or not corrections.editions_with(issue, article_id):
        raise errors.Conflict("Nobody has had this article in this issue.")
    # Two who begin one at once take turns.
    db.session.refresh(issue, with_for_update=True)
    found = db.session.scalars(
        select(Issue).where(
            Issue.about_article_id == article.id, Issue.about_issue_id == issue.id, Issue.state.in_(OPEN_ISSUES)
        )
    ).first()
    if found is not None:
        return found
    now = clock.now()
    note = Issue(
        newsletter_id=issue.newsletter_id,
        number=composing.next_number(issue.newsletter),
        about_article_id=article.id,
        about_issue_id=issue.id,
        cutoff_at=now,
        look_back_from=now,
        created_at=now,
    )
    db.session.add(note)
    db.session.flush()
    after = {"article": article.id, "issue": issue.id}
    audit.record(hand.actor, "note begun", f"issue {note.id}", after=after, editor_id=hand.editor_id)
    return note


def about(note: Issue) -> About | None:
    """What a note is about; None for any other issue."""
    if note.about_article_id is None or note.about_issue_id is None:
        return None
    return About(db.session.get_one(Article, note.about_article_id), db.session.get_one(Issue, note.about_issue_id))
