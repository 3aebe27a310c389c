"""Sending again what failed of an issue: to those who still read it, and have not had its stories since."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.audience import readership
from newsletter.audience.models import Subscriber
from newsletter.issues import amendments, planning, received, runs
from newsletter.issues.models import Edition, EditionArticle, Issue
from newsletter.outbox import failures
from newsletter.outbox.models import Message, Run
from newsletter.staff import audit

AT_ONCE = 1_000  # failed messages judged in one transaction; of more, the next ones in the next

SETTLED = "settled"
LEFT = "left"
MOVED = "moved"
HAD_SINCE = "had_since"
CORRECTED = "corrected"


@dataclass(frozen=True)
class Review:
    """What sending again would do to the failed messages after a place.

    Which can go, why others stay, how the mail server refused them; `further`: where the next ones begin.
    """

    sendable: list[int]
    staying: Mapping[str, int]
    replies: list[tuple[str, int]]
    further: int | None


def review(issue: Issue, *, after: int = 0) -> Review:
    """Judge up to AT_ONCE failed messages with ids above `after`, changing nothing; raises Conflict before release."""
    found = failures.page(_run(issue), after=after, limit=AT_ONCE)
    reasons = _reasons(issue, found)
    return Review(
        sendable=[message.id for message in found if not reasons[message.id]],
        staying=Counter(reason for reason in reasons.values() if reason),
        replies=Counter(_said(message) for message in found).most_common(10),
        further=found[-1].id if len(found) == AT_ONCE else None,
    )


def resend(issue: Issue, *, after: int = 0, up_to: int | None = None, actor: str, editor_id: int | None = None) -> int:
    """Queue again what of those messages can go; how many it was. `up_to`: the last one that was looked at.

    Nobody gets a copy: refused or given up, it reached no one, and whoever got its stories since is left out. That is
    judged while nothing is planned.
    """
    planning.wait_for_turn()
    run, judged = _run(issue), review(issue, after=after)
    chosen = [each for each in judged.sendable if up_to is None or each <= up_to]
    before = run.state.value
    moved = failures.resend(run, chosen)
    if moved:
        sent = {"run": run.state.value, "messages": moved, "first": chosen[0], "last": chosen[-1]}
        audit.record(
            actor, "failed sent again", f"issue {issue.id}", before={"run": before}, after=sent, editor_id=editor_id
        )
    return moved


def _run(issue: Issue) -> Run:
    run = runs.find(issue)
    if run is None or run.released_at is None:
        raise errors.Conflict("This issue has not been sent yet.")
    return run


def _reasons(issue: Issue, messages: Sequence[Message]) -> dict[int, str]:
    """Why each message stays as it is; empty when it can go."""
    reasons: dict[int, str] = {}
    stale = set(amendments.stale_editions(issue.id))
    own = received.brought({message.ref for message in messages if message.ref is not None})
    since = _runs_with_its_stories(issue)
    for start in range(0, len(messages), 500):
        some = messages[start : start + 500]
        ids = [message.recipient_id for message in some]
        readers, had = readership.standing(issue.newsletter_id, ids, clock.now()), _had(ids, since)
        for message in some:
            key, stopped = readers.get(message.recipient_id, ("", LEFT))
            stories = own[message.ref].had_ids if message.ref is not None else frozenset()
            had_since = stories & had.get(message.recipient_id, frozenset())
            reasons[message.id] = (
                (SETTLED if failures.is_settled_by_word(message) else "")
                or stopped
                or (MOVED if key != message.address_key else "")
                or (HAD_SINCE if had_since else "")
                # The same Message-ID is the same mail: it cannot go in other words.
                or (CORRECTED if message.ref in stale else "")
            )
    return reasons


def _runs_with_its_stories(issue: Issue) -> list[int]:
    editions = select(Edition.id).where(Edition.issue_id == issue.id)
    articles = select(EditionArticle.article_id).where(EditionArticle.edition_id.in_(editions)).distinct()
    return received.runs_with(list(db.session.scalars(articles)), except_issue_id=issue.id)


def _had(reader_ids: Sequence[int], run_ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """The articles that readers were sent in these runs, or are being sent."""
    if not run_ids:
        return {}
    query = select(Subscriber.id, received.editions_of(Subscriber.id.expression, run_ids)).where(
        Subscriber.id.in_(reader_ids)
    )
    editions = {
        reader_id: [int(each) for each in joined.split(",") if each] for reader_id, joined in db.session.execute(query)
    }
    brought = received.brought({each for ids in editions.values() for each in ids})
    return {
        reader_id: frozenset().union(*(brought[each].had_ids for each in ids)) for reader_id, ids in editions.items()
    }


def _said(message: Message) -> str:
    code = (
        f"{message.last_code} "
        if message.last_code and not message.last_reply.startswith(str(message.last_code))
        else ""
    )
    return f"{code}{message.last_reply}" or "waited too long"
