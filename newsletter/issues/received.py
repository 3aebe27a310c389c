"""What readers have had before, read from the ledger: message to edition to articles, no table of pairs."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from newsletter import db
from newsletter.issues import runs
from newsletter.issues.models import Edition, EditionArticle, EditionPart, Issue
from newsletter.outbox.models import Message, MessageState, Run
from newsletter.publication.models import Newsletter, NewsletterKind

# A message that ended so never reached its reader; every other one counts, also while its fate is open.
NOT_HAD = (MessageState.BOUNCED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.SKIPPED)


@dataclass(frozen=True)
class Brought:
    """What an earlier edition brought of the articles asked for."""

    issue_id: int
    had_ids: frozenset[int]  # anywhere in a digest: a story shown under What to read next has been had, too
    shown_ids: frozenset[int]  # under What to read next


def editions_with(article_ids: Collection[int], *, except_issue_id: int) -> dict[int, Brought]:
    """The editions of other issues that hold any of the articles, by id."""
    rows = db.session.execute(
        select(EditionArticle.edition_id, Issue.id, EditionArticle.article_id, EditionArticle.part, Newsletter.kind)
        .join(Edition, Edition.id == EditionArticle.edition_id)
        .join(Issue, Issue.id == Edition.issue_id)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(EditionArticle.article_id.in_(article_ids), Issue.id != except_issue_id)
    )
    issues: dict[int, int] = {}
    had, shown = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
    for edition_id, issue_id, article_id, part, kind in rows:
        issues[edition_id] = issue_id
        if kind is NewsletterKind.DIGEST:
            had[edition_id].add(article_id)
        if part is EditionPart.READ_NEXT:
            shown[edition_id].add(article_id)
    return {
        edition_id: Brought(issue_id, frozenset(had[edition_id]), frozenset(shown[edition_id]))
        for edition_id, issue_id in issues.items()
    }


def by_reader(brought: Mapping[int, Brought], *, first_id: int, last_id: int) -> dict[int, frozenset[int]]:
    """Which of the editions each reader, from `first_id` to `last_id`, was sent or is being sent."""
    issue_ids = {each.issue_id for each in brought.values()}
    rows = db.session.execute(
        select(Message.recipient_id, Message.ref)
        .join(Run, Run.id == Message.run_id)
        .where(
            Run.kind == runs.KIND,
            Run.ref.in_(issue_ids),
            Message.recipient_id.between(first_id, last_id),
            Message.state.not_in(NOT_HAD),
        )
    )
    found = defaultdict[int, set[int]](set)
    for reader_id, edition_id in rows:
        if edition_id is not None and edition_id in brought:
            found[reader_id].add(edition_id)
    return {reader_id: frozenset(edition_ids) for reader_id, edition_ids in found.items()}
