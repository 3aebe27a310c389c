"""What an editor does to an issue before it is sent: drop, pin, move, choose words.

Every change returns an approved issue to draft. `version` is the one the editor saw: with an older one the change is
refused, so that nobody overwrites what somebody else has just done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from newsletter import clock, db, errors
from newsletter.issues import composing, lifecycle
from newsletter.issues.models import Issue, IssueArticle
from newsletter.staff import audit


@dataclass(frozen=True)
class Words:
    """An editor's own words; empty ones leave it to the stories."""

    subject: str = ""
    preheader: str = ""
    intro: str = ""


@dataclass(frozen=True)
class Hand:
    """Whose hand it is, and the version of the issue that person saw (None: whichever it is)."""

    actor: str
    editor_id: int | None = None
    version: int | None = None


def word(issue: Issue, words: Words, hand: Hand) -> None:
    """Set subject, preheader and intro; the subject belongs to the lead the issue has now."""
    if any("\n" in text or "\r" in text for text in (words.subject, words.preheader)):
        raise errors.BadInput("A subject and a preheader are one line each.", field="subject")
    before = {"subject": issue.subject, "preheader": issue.preheader, "intro": issue.intro}
    begin(issue, hand)
    lead = next(iter(issue.stories), None)
    issue.subject, issue.preheader, issue.intro = words.subject.strip(), words.preheader.strip(), words.intro.strip()
    issue.subject_lead_id = lead.article_id if issue.subject and lead else None
    done(issue, hand, "words changed", before, {"subject": issue.subject})


def drop(issue: Issue, article_id: int, hand: Hand) -> None:
    """Take an article out; it stays out of every later issue of the newsletter."""
    begin(issue, hand)
    entry = _entry(issue, article_id)
    entry.dropped_at, entry.is_pinned = clock.now(), False
    done(issue, hand, "article dropped", {}, {"article": article_id})


def take_back(issue: Issue, article_id: int, hand: Hand) -> None:
    """Have an article in again that was dropped or left out, at its place."""
    begin(issue, hand)
    _entry(issue, article_id).dropped_at = None
    if not issue.is_arranged:
        composing.place(issue, set())
    done(issue, hand, "article taken back", {}, {"article": article_id})


def pin(issue: Issue, article_id: int, hand: Hand) -> None:
    """Put an article at the top, where composing again leaves it: it leads every edition that has it."""
    begin(issue, hand)
    entry = _entry(issue, article_id)
    entry.is_pinned, entry.dropped_at = True, None
    _put_in_order(issue, [entry, *(each for each in issue.entries if each is not entry)])
    done(issue, hand, "article pinned", {}, {"article": article_id})


def unpin(issue: Issue, article_id: int, hand: Hand) -> None:
    """Let an article find its place by the rules again, at the next compose."""
    begin(issue, hand)
    _entry(issue, article_id).is_pinned = False
    done(issue, hand, "article unpinned", {}, {"article": article_id})


def arrange(issue: Issue, article_ids: Sequence[int], hand: Hand) -> None:
    """Put the named articles first, in this order; composing again keeps it and adds arrivals at the end."""
    begin(issue, hand)
    first = [_entry(issue, article_id) for article_id in dict.fromkeys(article_ids)]
    before = [each.article_id for each in issue.entries]
    _put_in_order(issue, [*first, *(each for each in issue.entries if each not in first)])
    issue.is_arranged = True
    done(issue, hand, "articles arranged", {"order": before}, {"order": [each.article_id for each in issue.entries]})


def reword(issue: Issue, article_id: int, *, headline: str, dek: str, hand: Hand) -> None:
    """Give an article another headline or dek in this issue only; empty: its own."""
    begin(issue, hand)
    entry = _entry(issue, article_id)
    before = {"article": article_id, "headline": entry.headline, "dek": entry.dek}
    entry.headline, entry.dek = headline.strip(), dek.strip()
    done(issue, hand, "article reworded", before, {"headline": entry.headline, "dek": entry.dek})


def begin(issue: Issue, hand: Hand, *, keeps_approval: bool = False) -> None:
    """Open an issue for one change by this hand; raises Conflict when it changed since, or has left."""
    db.session.refresh(issue, with_for_update=True)
    if hand.version is not None and hand.version != issue.version:
        raise errors.Conflict("Somebody else changed this issue meanwhile. Look at it again, then repeat your change.")
    if issue.state not in lifecycle.OPEN:
        raise errors.Conflict(f"This issue is {lifecycle.shown_state(issue)}: it can no longer be changed.")
    if keeps_approval:
        return
    if issue.state in lifecycle.READY:
        lifecycle.return_to_draft(issue, actor=hand.actor, editor_id=hand.editor_id, reason="edited")
    else:
        lifecycle.thaw(issue)


def done(
    issue: Issue, hand: Hand, action: str, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    """End the change that `begin` began: another version of the issue, and a line in the audit log."""
    issue.version += 1
    db.session.flush()
    audit.record(hand.actor, action, f"issue {issue.id}", before=before, after=after, editor_id=hand.editor_id)


def _entry(issue: Issue, article_id: int) -> IssueArticle:
    for entry in issue.entries:
        if entry.article_id == article_id:
            return entry
    raise errors.NotFound(f"Article {article_id} is not in this issue.")


def _put_in_order(issue: Issue, entries: Sequence[IssueArticle]) -> None:
    for position, entry in enumerate(entries):
        entry.position = position
    issue.entries.sort(key=lambda entry: entry.position)
