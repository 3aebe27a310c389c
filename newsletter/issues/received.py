"""What readers have had before, read from the ledger: message to edition to articles, no table of pairs."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, exists, func, literal, not_, select

from newsletter import db
from newsletter.issues import amendments, runs
from newsletter.issues.models import Edition, EditionArticle, EditionPart, Issue
from newsletter.outbox.models import UNSENT, Message, MessageState, Run, RunState
from newsletter.publication.models import Newsletter, NewsletterKind

# A message that ended so never reached its reader; every other one counts, also while its fate is open.
NOT_HAD = (MessageState.BOUNCED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.SKIPPED)


# A reader of one of these has had the mail, or may have: its body was begun.
MAY_HAVE_HAD = (MessageState.SENT, MessageState.SENDING, MessageState.UNCERTAIN)


@dataclass(frozen=True)
class Audience:
    """The readers who had an article in an issue: the run, and the editions that brought it."""

    run_id: int
    edition_ids: tuple[int, ...]


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
    # Of a cancelled run these never leave, though they are not marked yet.
    is_stopped = and_(Run.state == RunState.CANCELLED, Message.state.in_(UNSENT))
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


def audience(issue: Issue) -> Audience | None:
    """To whom a note goes; None for any other issue.

    Where some editions have words that were withdrawn or corrected since, those who had the right ones are left alone.
    """
    if issue.about_issue_id is None or issue.about_article_id is None:
        return None
    run_id = db.session.scalar(select(Run.id).where(Run.kind == runs.KIND, Run.ref == issue.about_issue_id))
    bringing = (
        select(Edition.id)
        .join(EditionArticle, EditionArticle.edition_id == Edition.id)
        .where(Edition.issue_id == issue.about_issue_id, EditionArticle.article_id == issue.about_article_id)
        .distinct()
    )
    wrong = tuple(db.session.scalars(bringing.where(amendments.is_stale())))
    return Audience(run_id or 0, wrong or tuple(db.session.scalars(bringing)))


def is_in(audience: Audience, reader_id: ColumnElement[int]) -> ColumnElement[bool]:
    """A condition: the reader had it, or may have."""
    return exists().where(
        Message.run_id == audience.run_id,
        Message.recipient_id == reader_id,
        Message.ref.in_(audience.edition_ids),
        Message.state.in_(MAY_HAVE_HAD),
    )


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
