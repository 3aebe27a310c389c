"""What an approver decides on: what approving would do now, until when it is due, and who may."""

import enum
from dataclasses import dataclass
from datetime import datetime

from newsletter import clock, errors, settings
from newsletter.issues import dates, lifecycle
from newsletter.issues.models import Issue, IssueApproval, IssueState
from newsletter.publication.models import Approval
from newsletter.staff import editors
from newsletter.staff.models import Editor
from newsletter.staff.roles import Action


class Then(enum.StrEnum):
    """What follows an approval."""

    LATER = "later"  # it goes at its time
    NOW = "now"  # its time has just passed: it goes at once
    ASK = "ask"  # its time is long past, so a new one is needed
    WAIT = "wait"  # it has no time, and waits for one


@dataclass(frozen=True)
class Decision:
    """A draft before its approver. `at`: when it goes, or was to go; `due_at`: until when it is to be approved."""

    then: Then
    at: datetime | None
    due_at: datetime | None
    given: list[IssueApproval]
    needed: int  # approvals, this one included
    others: list[Editor]  # who may approve and has not


def decision(issue: Issue) -> Decision:
    """What approving the issue now would mean."""
    given = lifecycle.approvals(issue) if issue.frozen_hash else []
    gave = {each.editor_id for each in given}
    then, at = _then(issue)
    return Decision(
        then=then,
        at=at,
        due_at=_due_at(issue),
        given=given,
        needed=lifecycle.NEEDED[issue.newsletter.approval] - len(given),
        others=[editor for editor in editors.who_may(Action.PUBLISH) if editor.id not in gave],
    )


def approve(issue: Issue, then: Then, at: datetime | None, *, actor: str, editor_id: int | None = None) -> Issue:
    """Approve, and with the last approval needed have it go: at `at`, or now after the time to undo it.

    Now is only for an issue whose time has just passed; raises Conflict when that has become long ago meanwhile.
    One `lifecycle.undo` takes all of it back.
    """
    if then is Then.NOW and _then(issue)[0] is not Then.NOW:
        raise errors.Conflict("Its time is no longer just past. Look at it once more, then choose when it goes.")
    kept = lifecycle.memory(issue)
    lifecycle.approve(issue, actor=actor, editor_id=editor_id)
    if issue.state is not IssueState.APPROVED or then is Then.WAIT:
        return issue
    if then is Then.NOW:
        lifecycle.send_now(issue, actor=actor, editor_id=editor_id, grace=settings.current().send_undo)
    else:
        if at is None:
            raise errors.BadInput("Please choose a date and a time.", field="on")
        lifecycle.schedule(issue, at, actor=actor, editor_id=editor_id)
    issue.undo = kept
    return issue


def goes_within_undo(issue: Issue) -> bool:
    """Whether it leaves so soon that all there is left to decide is whether to stop it."""
    if issue.state is not IssueState.SCHEDULED or issue.send_at is None or issue.held_reason:
        return False
    return issue.send_at - clock.now() <= settings.current().send_undo


def _then(issue: Issue) -> tuple[Then, datetime | None]:
    now = clock.now()
    if issue.send_at is None:
        at = None if issue.is_note else dates.next_appearance(issue.newsletter, now)
        return (Then.LATER, at) if at else (Then.WAIT, None)
    if issue.send_at > now:
        return Then.LATER, issue.send_at
    is_late = now - issue.send_at > settings.current().max_lateness
    return (Then.ASK if is_late else Then.NOW), issue.send_at


def _due_at(issue: Issue) -> datetime | None:
    if issue.newsletter.approval is Approval.NONE or issue.send_at is None or issue.held_reason:
        return None
    return issue.send_at - settings.current().approval_deadline
