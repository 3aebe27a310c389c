"""What became of each issue: planned, accepted, bounced, deferred, uncertain, and who left after it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from newsletter import db
from newsletter.feedback.models import IssueLeft
from newsletter.issues import lifecycle, runs
from newsletter.issues.models import Issue, IssueState
from newsletter.outbox import tally
from newsletter.outbox.models import MessageState, Run
from newsletter.publication import newsletters

PAGE = 20


@dataclass(frozen=True)
class Result:
    """An issue's figures; `accepted` is what the next hop took, `left` who left in the days after it."""

    issue_id: int
    newsletter: str
    title: str
    number: int
    state: str
    released_at: datetime
    planned: int
    accepted: int
    bounced: int
    deferred: int
    uncertain: int
    waiting: int
    other: int
    left: int

    @property
    def accepted_share(self) -> float | None:
        """Of the planned ones."""
        return self.accepted / self.planned if self.planned else None

    @property
    def bounced_share(self) -> float | None:
        """Of those a server answered for good."""
        answered = self.accepted + self.bounced
        return self.bounced / answered if answered else None

    @property
    def left_share(self) -> float | None:
        """Of those who had it."""
        return self.left / self.accepted if self.accepted else None


def page(*, newsletter: str = "", before: int | None = None, limit: int = PAGE) -> list[Result]:
    """Up to `limit` released issues, the newest first, below the id `before`; raises NotFound for no newsletter."""
    # Counted when asked for: what was sent is what is left of the planned, and of the others there is an index, so
    # that an issue of a million costs little, and a message settled by hand a year later is in it.
    query = select(Issue).where(Issue.state == IssueState.RELEASED).order_by(Issue.id.desc()).limit(limit)
    if newsletter:
        query = query.where(Issue.newsletter_id == newsletters.get(newsletter).id)
    if before is not None:
        query = query.where(Issue.id < before)
    return _results(list(db.session.scalars(query)))


def every(*, newsletter: str = "") -> Iterator[Result]:
    """All of them, read page by page."""
    before = None
    while found := page(newsletter=newsletter, before=before, limit=100):
        yield from found
        before = found[-1].issue_id
        db.session.expunge_all()


def _results(issues: Sequence[Issue]) -> list[Result]:
    ids = [issue.id for issue in issues]
    by_ref = {run.ref: run for run in db.session.scalars(select(Run).where(Run.kind == runs.KIND, Run.ref.in_(ids)))}
    counted = tally.counts_by_run([run.id for run in by_ref.values()])
    left: dict[int, int] = dict(
        db.session.execute(select(IssueLeft.issue_id, IssueLeft.number).where(IssueLeft.issue_id.in_(ids))).all()
    )
    return [
        _result(issue, by_ref[issue.id], counted[by_ref[issue.id].id], left.get(issue.id, 0))
        for issue in issues
        if issue.id in by_ref
    ]


def _result(issue: Issue, run: Run, counts: dict[str, int], left: int) -> Result:
    ended = (MessageState.EXPIRED, MessageState.SKIPPED, MessageState.CANCELLED)
    return Result(
        issue_id=issue.id,
        newsletter=issue.newsletter.slug,
        title=issue.newsletter.title,
        number=issue.number,
        state=lifecycle.shown_state(issue),
        released_at=issue.released_at or run.created_at,
        planned=run.planned,
        accepted=counts[MessageState.SENT],
        bounced=counts[MessageState.BOUNCED],
        deferred=counts[MessageState.DEFERRED],
        uncertain=counts[MessageState.UNCERTAIN],
        waiting=sum(counts[each] for each in (MessageState.QUEUED, MessageState.CLAIMED, MessageState.SENDING)),
        other=sum(counts[each] for each in ended),
        left=left,
    )
