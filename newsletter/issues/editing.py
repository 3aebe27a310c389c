"""What an editor does to an issue before it is sent: drop, pin, move, choose words, undo.

Every change returns an approved issue to draft and can be undone. `version` is the one the editor saw: with an older
one the change is refused, so that nobody overwrites what somebody else has just done.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from newsletter import clock, db, errors
from newsletter.issues import composing, lifecycle, undoing
from newsletter.issues.models import OPEN_ISSUES, Issue, IssueArticle
from newsletter.staff import audit

_MEANWHILE = "Somebody else changed this issue meanwhile. Look at it again, then repeat your change."


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


@dataclass(frozen=True)
class Opened:
    """An issue while one change is made to it: by whom, and what stood before."""

    issue: Issue
    hand: Hand
    was: undoing.State


def word(issue: Issue, words: Words, hand: Hand, *, mark: str | None = None) -> None:
    """Set subject, preheader and intro; the subject belongs to the lead the issue has now.

    `mark` is mark_of the words this editor saw: with others standing now it raises Conflict.
    """
    if any("\n" in text or "\r" in text for text in (words.subject, words.preheader)):
        raise errors.BadInput("A subject and a preheader are one line each.", field="subject")
    opened = begin(issue, hand)
    _check_mark(mark, issue.subject, issue.preheader, issue.intro)
    before = {"subject": issue.subject, "preheader": issue.preheader, "intro": issue.intro}
    lead = next(iter(issue.stories), None)
    issue.subject, issue.preheader, issue.intro = words.subject.strip(), words.preheader.strip(), words.intro.strip()
    issue.subject_lead_id = lead.article_id if issue.subject and lead else None
    after = {"subject": issue.subject, "preheader": issue.preheader, "intro": issue.intro}
    done(opened, "words changed", "changed the words", before, after, joins="words")


def drop(issue: Issue, article_id: int, hand: Hand) -> None:
    """Take an article out; it stays out of every later issue of the newsletter."""
    opened = begin(issue, hand)
    entry = _entry(issue, article_id)
    entry.dropped_at, entry.is_pinned = clock.now(), False
    done(opened, "article dropped", f"dropped {_named(entry)}", {}, {"article": article_id})


def take_back(issue: Issue, article_id: int, hand: Hand) -> None:
    """Have an article in again that was dropped or left out, at its place."""
    opened = begin(issue, hand)
    entry = _entry(issue, article_id)
    entry.dropped_at = None
    if not issue.is_arranged:
        composing.place(issue, set())
    done(opened, "article taken back", f"took back {_named(entry)}", {}, {"article": article_id})


def pin(issue: Issue, article_id: int, hand: Hand) -> None:
    """Put an article at the top, where composing again leaves it: it leads every edition that has it."""
    opened = begin(issue, hand)
    entry = _entry(issue, article_id)
    entry.is_pinned, entry.dropped_at = True, None
    issue.put_in_order([entry, *(each for each in issue.entries if each is not entry)])
    done(opened, "article pinned", f"made {_named(entry)} the lead", {}, {"article": article_id})


def unpin(issue: Issue, article_id: int, hand: Hand) -> None:
    """Let an article find its place by the rules again, at the next compose."""
    opened = begin(issue, hand)
    entry = _entry(issue, article_id)
    entry.is_pinned = False
    done(opened, "article unpinned", f"unpinned {_named(entry)}", {}, {"article": article_id})


def move(issue: Issue, article_id: int, *, to: int, hand: Hand) -> int:
    """Move a story to a place among those that stand, 1 being the first; the place it has then.

    Composing again keeps the order and adds arrivals at the end. Beyond an end it is the end; what is there already
    stays, and nothing is changed. Raises Conflict for a story that no longer stands.
    """
    standing = issue.stories
    entry = _entry(issue, article_id)
    if entry not in standing:
        raise errors.Conflict(f"{_named(entry)} is no longer among the stories of this issue.")
    was, to = standing.index(entry) + 1, min(max(to, 1), len(standing))
    if was == to:
        return to
    opened = begin(issue, hand)
    standing.remove(entry)
    standing.insert(to - 1, entry)
    # What was dropped keeps its place between them, to come back to.
    following = iter(standing)
    issue.put_in_order([next(following) if each in standing else each for each in issue.entries])
    issue.is_arranged = True
    before, after = {"article": article_id, "place": was}, {"article": article_id, "place": to}
    done(opened, "article moved", f"moved {_named(entry)}", before, after)
    return to


def arrange(issue: Issue, article_ids: Sequence[int], hand: Hand) -> None:
    """Put the named articles first, in this order; composing again keeps it and adds arrivals at the end."""
    opened = begin(issue, hand)
    first = [_entry(issue, article_id) for article_id in dict.fromkeys(article_ids)]
    before = [each.article_id for each in issue.entries]
    issue.put_in_order([*first, *(each for each in issue.entries if each not in first)])
    issue.is_arranged = True
    after = [each.article_id for each in issue.entries]
    done(opened, "articles arranged", "arranged the stories", {"order": before}, {"order": after})


def reword(issue: Issue, article_id: int, *, headline: str, dek: str, hand: Hand, mark: str | None = None) -> None:
    """Give an article another headline or dek in this issue only; empty, or the same: its own.

    `mark` is mark_of the two this editor saw: with others standing now it raises Conflict.
    """
    opened = begin(issue, hand)
    entry = _entry(issue, article_id)
    _check_mark(mark, entry.headline, entry.dek)
    before = {"article": article_id, "headline": entry.headline, "dek": entry.dek}
    headline, dek = " ".join(headline.split()), " ".join(dek.split())
    entry.headline = "" if headline == entry.article.headline else headline
    entry.dek = "" if dek == entry.article.dek else dek
    after = {"article": article_id, "headline": entry.headline, "dek": entry.dek}
    done(opened, "article reworded", f"reworded {_named(entry)}", before, after)


def undo(issue: Issue, hand: Hand, step_id: int | None = None) -> str:
    """Undo the last change, if it still is the one of this id (None: whichever it is); what it had done, in words.

    Raises Conflict when there is none, or when there is another one on top of it.
    """
    opened = begin(issue, hand)
    step = undoing.last(issue)
    if step is None:
        raise errors.Conflict("There is nothing left to undo.")
    if step_id not in (None, step.id):
        raise errors.Conflict(_MEANWHILE)
    label = step.label
    undoing.restore(issue, step)
    done(opened, "change undone", "", {}, {"undone": label})
    return label


def mark_of(*texts: str) -> str:
    """A short mark that texts share with no others."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def hold_as_seen(issue: Issue, hand: Hand) -> None:
    """Lock an issue until the transaction ends; raises Conflict when it is not the version this hand saw."""
    db.session.refresh(issue, with_for_update=True)
    if hand.version is not None and hand.version != issue.version:
        raise errors.Conflict(_MEANWHILE)


def begin(issue: Issue, hand: Hand, *, keeps_approval: bool = False) -> Opened:
    """Open an issue for one change by this hand; raises Conflict when it changed since, or has left."""
    hold_as_seen(issue, hand)
    if issue.state not in OPEN_ISSUES:
        raise errors.Conflict(f"This issue is {lifecycle.shown_state(issue)}: it can no longer be changed.")
    opened = Opened(issue, hand, undoing.state(issue))
    if keeps_approval:
        return opened
    if issue.state in lifecycle.READY:
        lifecycle.return_to_draft(issue, actor=hand.actor, editor_id=hand.editor_id, reason="edited")
    else:
        lifecycle.thaw(issue)
    return opened


def done(
    opened: Opened,
    action: str,
    label: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    *,
    joins: str = "",
) -> None:
    """End a change: another version of the issue, a line in the audit log and, if it has a label, a step to undo."""
    issue, hand = opened.issue, opened.hand
    issue.version += 1
    db.session.flush()
    if label:
        undoing.remember(issue, opened.was, label, actor=hand.actor, editor_id=hand.editor_id, joins=joins)
    audit.record(hand.actor, action, f"issue {issue.id}", before=before, after=after, editor_id=hand.editor_id)


def _entry(issue: Issue, article_id: int) -> IssueArticle:
    for entry in issue.entries:
        if entry.article_id == article_id:
            return entry
    raise errors.NotFound(f"Article {article_id} is not in this issue.")


def _check_mark(mark: str | None, *texts: str) -> None:
    if mark is not None and mark != mark_of(*texts):
        raise errors.Conflict(_MEANWHILE)


def _named(entry: IssueArticle) -> str:
    return f"“{entry.headline or entry.article.headline}”"
