"""Did a reader get it: their message of an issue with what became of it, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from newsletter import db
from newsletter.audience import directory
from newsletter.audience.models import Subscriber, Subscription
from newsletter.issues import runs
from newsletter.issues.models import Edition, Issue
from newsletter.outbox import listing, suppression
from newsletter.outbox.models import Message, Run

PAGE = 30
_LOOKED_AT = 2_000  # issues looked through for one page of a reader's mails


@dataclass(frozen=True)
class Receipt:
    """A reader's message of an issue, the state people are told, and the subject it went with."""

    issue: Issue
    message: Message
    state: str
    subject: str


@dataclass(frozen=True)
class Answer:
    """What is known of one address and one issue: whose it is, their mail, or why there is none."""

    reader: Subscriber | None
    receipt: Receipt | None
    reason: str = ""


def ask(issue: Issue, address: str) -> Answer:
    """Whether the reader of an address got this issue, the address in any spelling."""
    reader, run = directory.find(suppression.key_of(address.strip())), runs.find(issue)
    if reader is None:
        return Answer(None, None, "There is no reader of this address, or they had everything erased.")
    if run is None or run.released_at is None:
        return Answer(reader, None, "The issue has not been sent.")
    found = listing.of_recipient([run.id], reader.id)
    if not found:
        return Answer(reader, None, _why_none(issue, run, reader))
    return Answer(reader, _receipts(found)[0])


def of_reader(subscriber_id: int, *, before: int | None = None) -> tuple[list[Receipt], int | None]:
    """The issues a reader was sent, or is being sent, newest first, of runs below the id `before`; and where the next
    page begins."""
    query = select(Run.id).where(Run.kind == runs.KIND, Run.released_at.is_not(None)).order_by(Run.id.desc())
    if before is not None:
        query = query.where(Run.id < before)
    run_ids = list(db.session.scalars(query.limit(_LOOKED_AT)))
    found = listing.of_recipient(run_ids, subscriber_id)[: PAGE + 1]
    if len(found) > PAGE:
        return _receipts(found[:PAGE]), found[PAGE - 1].run_id
    return _receipts(found), run_ids[-1] if len(run_ids) == _LOOKED_AT else None


def _receipts(messages: Sequence[Message]) -> list[Receipt]:
    run_of = {run.id: run for run in db.session.scalars(select(Run).where(Run.id.in_([m.run_id for m in messages])))}
    issues = db.session.scalars(select(Issue).where(Issue.id.in_([run.ref for run in run_of.values()])))
    issue_of = {issue.id: issue for issue in issues}
    editions = select(Edition.id, Edition.subject).where(Edition.id.in_([message.ref for message in messages]))
    subjects: dict[int | None, str] = {row.id: row.subject for row in db.session.execute(editions)}
    return [
        Receipt(
            issue_of[run_of[message.run_id].ref],
            message,
            listing.shown_state(message, run_of[message.run_id]),
            subjects.get(message.ref, ""),
        )
        for message in messages
    ]


def _why_none(issue: Issue, run: Run, reader: Subscriber) -> str:
    """The likeliest reason in words; what a reader was passed over for is counted, not kept one by one."""
    theirs = select(Subscription).filter_by(subscriber_id=reader.id, newsletter_id=issue.newsletter_id)
    wanted = list(db.session.scalars(theirs))
    confirmed = [each.confirmed_at for each in wanted if each.confirmed_at is not None]
    if not confirmed:
        return f"They do not read {issue.newsletter.title}."
    if run.released_at is not None and min(confirmed) > run.released_at:
        return "They joined after it was sent."
    if all(each.ended_at is not None and run.released_at and each.ended_at <= run.released_at for each in wanted):
        return "They had left before it was sent."
    return "No mail was made for them: nothing in it was new in their topics, or they had paused."
