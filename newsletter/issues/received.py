"""What readers have had before, read from the ledger: message to edition to articles, no table of pairs."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, func, literal, not_, select

from newsletter import db
from newsletter.issues import runs
from newsletter.issues.models import Edition, EditionArticle, EditionPart, Issue
from newsletter.outbox.models import Message, MessageState, Run, RunState
from newsletter.publication.models import Newsletter, NewsletterKind

# A message that ended so never reached its reader; every other one counts, also while its fate is open.
NOT_HAD = (MessageState.BOUNCED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.SKIPPED)

# Of a cancelled run these never leave, though they are not marked yet.
_UNSENT = (MessageState.QUEUED, MessageState.DEFERRED, MessageState.CLAIMED)


@dataclass(frozen=True)
class Brought:
    """What an earlier edition brought."""

    had_ids: frozenset[int]  # anywhere in a digest: a story shown under What to read next has been had, too
    shown_ids: frozenset[int]  # under What to read next


def runs_with(article_ids: Collection[int], *, except_issue_id: int) -> list[int]:
    """The runs of other issues that bring any of the articles."""
    issues = (
        select(Edition.issue_id)
        .join(EditionArticle, EditionArticle.edition_id == Edition.id)
        .where(EditionArticle.article_id.in_(article_ids), Edition.issue_id != except_issue_id)
    )
    return list(db.session.scalars(select(Run.id).where(Run.kind == runs.KIND, Run.ref.in_(issues)).order_by(Run.id)))


def editions_of(reader_id: ColumnElement[int], run_ids: Sequence[int]) -> ColumnElement[str]:
    """An expression: the editions a reader was sent, or is being sent, in these runs, joined by commas."""
    if not run_ids:
        return literal("")
    is_stopped = and_(Run.state == RunState.CANCELLED, Message.state.in_(_UNSENT))
    joined: ColumnElement[Any] = (
        select(func.aggregate_strings(cast(Message.ref, String), ","))
        .join(Run, Run.id == Message.run_id)
        .where(
            Message.run_id.in_(run_ids),
            Message.recipient_id == reader_id,
            Message.state.not_in(NOT_HAD),
            not_(is_stopped),
        )
        .scalar_subquery()
    )
    return func.coalesce(joined, "")


def brought(edition_ids: Collection[int]) -> dict[int, Brought]:
    """What each of these editions brought."""
    rows = db.session.execute(
        select(EditionArticle.edition_id, EditionArticle.article_id, EditionArticle.part, Newsletter.kind)
        .join(Edition, Edition.id == EditionArticle.edition_id)
        .join(Issue, Issue.id == Edition.issue_id)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(EditionArticle.edition_id.in_(edition_ids))
    )
    had, shown = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
    for edition_id, article_id, part, kind in rows:
        if kind is NewsletterKind.DIGEST:
            had[edition_id].add(article_id)
        if part is EditionPart.READ_NEXT:
            shown[edition_id].add(article_id)
    return {each: Brought(frozenset(had[each]), frozenset(shown[each])) for each in edition_ids}
