"""What became ready after an open issue was composed: taken into it, or left out of its newsletter for good."""

from collections.abc import Sequence

from newsletter import clock, errors
from newsletter.articles.models import Article
from newsletter.issues import candidates, composing, editing
from newsletter.issues.editing import Hand
from newsletter.issues.models import Issue, IssueArticle

# So many are shown and decided on at once; the next ones follow when these are.
MOST = 30


def waiting(issue: Issue) -> list[Article]:
    """The first MOST articles that composing again would add, in issue order."""
    return candidates.arrivals(issue, clock.now(), limit=MOST)


def count(issue: Issue) -> int:
    """How many articles composing again would add."""
    return candidates.count_arrivals(issue, clock.now())


def take(issue: Issue, article_ids: Sequence[int], hand: Hand) -> list[Article]:
    """Take later arrivals in, at their place by the rules, or at the end where an editor arranged the stories.

    Those decided on meanwhile are passed over; raises Conflict when none is left.
    """
    return choose(issue, article_ids, hand)[0]


def choose(
    issue: Issue, article_ids: Sequence[int], hand: Hand, *, among: Sequence[int] = ()
) -> tuple[list[Article], list[Article]]:
    """Take some of the later arrivals that somebody looked at, `among`, and leave the others out for good: one change.

    What was taken, and what was left. Those decided on meanwhile are passed over; raises Conflict when none is left to
    take.
    """
    opened = editing.begin(issue, hand)
    found = _undecided(issue, article_ids)
    others = _waiting_still(issue, [each for each in among if each not in article_ids])
    was_short = composing.too_few(issue)
    issue.entries.extend(IssueArticle(article=each, article_id=each.id, position=0) for each in found)
    composing.place(issue, {each.id for each in found})
    if issue.held_reason == was_short:
        issue.held_reason = composing.too_few(issue)
    _leave_out(issue, others)
    label = f"took {_named(found)}" + (f", left out {_named(others)}" if others else "")
    after = {"articles": [each.id for each in found]} | ({"left": [each.id for each in others]} if others else {})
    editing.done(opened, "arrivals taken", label, after=after)
    return found, others


def leave(issue: Issue, article_ids: Sequence[int], hand: Hand) -> list[Article]:
    """Keep later arrivals out of this and every later issue of the newsletter; an approval stands.

    Those decided on meanwhile are passed over; raises Conflict when none is left.
    """
    opened = editing.begin(issue, hand, keeps_approval=True)
    found = _undecided(issue, article_ids)
    _leave_out(issue, found)
    editing.done(
        opened, "arrivals left out", f"left out {_named(found)}", after={"articles": [each.id for each in found]}
    )
    return found


def _undecided(issue: Issue, article_ids: Sequence[int]) -> list[Article]:
    found = _waiting_still(issue, article_ids)
    if not found:
        raise errors.Conflict("There is no such later arrival: it was taken or left already, or is no longer offered.")
    return found


def _waiting_still(issue: Issue, article_ids: Sequence[int]) -> list[Article]:
    known = {entry.article_id for entry in issue.entries}
    return candidates.arrivals(issue, clock.now(), among=[each for each in article_ids if each not in known])


def _leave_out(issue: Issue, found: Sequence[Article]) -> None:
    last, now = len(issue.entries), clock.now()
    issue.entries.extend(
        IssueArticle(article=each, article_id=each.id, position=last + place, dropped_at=now)
        for place, each in enumerate(found)
    )


def _named(found: Sequence[Article]) -> str:
    return f"“{found[0].headline}”" if len(found) == 1 else f"{len(found)} later arrivals"
