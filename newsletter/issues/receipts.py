"""Did a reader get it: their message of an issue with what became of it, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from newsletter import db
from newsletter.audience import directory
from newsletter.audience.models import Subscriber, Subscription
from newsletter.issues import runs
from newsletter.issues.models import Edition, Issue
from newsletter.outbox import listing, suppression
from newsletter.outbox.models import Message, Run

# When a run was let go, and which one it is.
Place = tuple[datetime, int]

PAGE = 30
_LOOKED_AT = 2_000  # issues looked through for one page of a reader's mails


@dataclass(frozen=True)
class Receipt:
    """A reader's message of an issue, the state people are told, the subject, and when the issue was let go."""

    issue: Issue
    message: Message
    state: str
    subject: str
    released_at: datetime


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


def of_reader(subscriber_id: int, *, before: Place | None = None) -> tuple[list[Receipt], Place | None]:
    """The issues a reader was sent, or is being sent, newest first, of runs let go before a place; and down to which
    place runs were looked through, when there are older ones."""
    query = select(Run.id, Run.released_at).where(Run.kind == runs.KIND, Run.released_at.is_not(None))
    if before is not None:
        at, run_id = before
        query = query.where(or_(Run.released_at < at, and_(Run.released_at == at, Run.id < run_id)))
    looked_at = db.session.execute(query.order_by(Run.released_at.desc(), Run.id.desc()).limit(_LOOKED_AT)).all()
    released: dict[int, datetime] = {row.id: row.released_at for row in looked_at}
    found = listing.of_recipient(list(released), subscriber_id)
    found.sort(key=lambda message: (released[message.run_id], message.run_id), reverse=True)
    if len(found) > PAGE:
        last_id = found[PAGE - 1].run_id
        return _receipts(found[:PAGE]), (released[last_id], last_id)
    is_all = len(looked_at) < _LOOKED_AT
    return _receipts(found), None if is_all else (looked_at[-1].released_at, looked_at[-1].id)


def _receipts(messages: Sequence[Message]) -> list[Receipt]:
    run_of = {run.id: run for run in db.session.scalars(select(Run).where(Run.id.in_([m.run_id for m in messages])))}
    issues = db.session.scalars(select(Issue).where(Issue.id.in_([run.ref for run in run_of.values()])))
    issue_of = {issue.id: issue for issue in issues}
    editions = select(Edition.id, Edition.subject).where(Edition.id.in_([message.ref for message in messages]))
    subjects: dict[int | None, str] = {row.id: row.subject for row in db.session.execute(editions)}
    return [
        Receipt(
            issue_of[run.ref],
            message,
            listing.shown_state(message, run),
            subjects.get(message.ref, ""),
            # A message is made after its run was let go.
            run.released_at or message.created_at,
        )
        for message, run in ((message, run_of[message.run_id]) for message in messages)
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
