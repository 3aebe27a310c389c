"""What went wrong of late: too many addresses refused, an issue that did not leave, mails nobody takes away."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from newsletter import clock, db, settings
from newsletter.issues import dates, lifecycle, runs
from newsletter.issues.dates import Date, Standing
from newsletter.issues.models import Issue
from newsletter.outbox import doubts, queue, tally, workers
from newsletter.outbox.models import MessageState, Run

_LATELY = timedelta(days=7)
_A_DAY = timedelta(days=1)
_MOST = 20  # issues looked at
_LISTED = 5


@dataclass(frozen=True)
class Bounces:
    """An issue of which more than its share was refused for good; `bounced` is counted little further than the line."""

    issue: Issue
    bounced: int
    planned: int


def bouncing() -> list[Bounces]:
    """The issues of the last days that are over the line, newest first."""
    line, found = settings.current().bounce_line, []
    recent = select(Run).where(Run.kind == runs.KIND, Run.released_at >= clock.now() - _LATELY)
    for run in db.session.scalars(recent.order_by(Run.id.desc()).limit(_MOST)):
        allowed = int(line * run.planned)
        bounced = tally.counted_up_to(run, MessageState.BOUNCED, allowed + 1)
        if bounced > allowed:
            found.append(Bounces(db.session.get_one(Issue, run.ref), bounced, run.planned))
    return found


def uncertain() -> tuple[list[tuple[Issue, int]], int]:
    """How many messages of the newest issues that have any are uncertain, and how many others there are."""
    by_run = doubts.by_run()
    newest = select(Run.id, Issue).join(Issue, Issue.id == Run.ref).where(Run.kind == runs.KIND, Run.id.in_(by_run))
    found = db.session.execute(newest.order_by(Run.id.desc()).limit(_LISTED)).all()
    listed = [(issue, by_run[run_id]) for run_id, issue in found]
    return listed, sum(by_run.values()) - sum(number for _, number in listed)


def overdue() -> list[Issue]:
    """The issues that were to have left by now and did not: nothing releases them."""
    late_at = clock.now() - settings.current().alarm_after
    query = select(Issue).where(Issue.state.in_(lifecycle.READY), Issue.send_at <= late_at, Issue.held_reason == "")
    return list(db.session.scalars(query.order_by(Issue.send_at)))


def unopened() -> list[Date]:
    """The dates of the last day that passed and nothing was opened for them: nothing that keeps the calendar runs."""
    now = clock.now()
    late_at = now - settings.current().alarm_after
    passed = dates.coming(dates.with_calendar(), now - _A_DAY, ahead=late_at - (now - _A_DAY))
    return [
        each
        for each in passed
        if each.state == Standing.PLANNED and each.at > (each.newsletter.calendar_from_at or each.newsletter.created_at)
    ]


def is_nobody_sending() -> bool:
    """Whether mails have been waiting for a while and no delivery worker lives to take them away."""
    waits = queue.is_waiting_since(clock.now() - settings.current().alarm_after)
    return waits and not workers.is_any_alive(db.session.connection())
