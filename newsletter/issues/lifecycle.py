"""An issue's way from draft to released, by one table of moves; afterwards its run says how it goes on."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from newsletter import clock, db, errors, settings
from newsletter.issues import amendments, freezing, moments, preflight, runs, telling, undoing
from newsletter.issues.models import OPEN_ISSUES, Issue, IssueApproval, IssueState, OccurrenceState
from newsletter.outbox import queue, readdressing
from newsletter.outbox.models import RunState
from newsletter.publication.models import Approval, Newsletter
from newsletter.staff import audit

MOVES = {
    # The first of two approvals leaves a draft a draft, and so does taking it back.
    IssueState.DRAFT: {IssueState.DRAFT, IssueState.APPROVED, IssueState.CANCELLED},
    IssueState.APPROVED: {IssueState.SCHEDULED, IssueState.RELEASED, IssueState.DRAFT, IssueState.CANCELLED},
    # Back to approved by taking back the time it was given.
    IssueState.SCHEDULED: {
        IssueState.SCHEDULED,
        IssueState.APPROVED,
        IssueState.RELEASED,
        IssueState.DRAFT,
        IssueState.CANCELLED,
    },
    IssueState.RELEASED: set[IssueState](),
    IssueState.CANCELLED: set[IssueState](),
}
READY = (IssueState.APPROVED, IssueState.SCHEDULED)

_SHOWN = {
    RunState.PLANNING: "sending",
    RunState.RUNNING: "sending",
    RunState.PAUSED: "paused",
    RunState.CANCELLED: "cancelled",
    RunState.FINISHED: "sent",
}
NEEDED = {Approval.NONE: 1, Approval.ONE: 1, Approval.TWO: 2}


def approve(issue: Issue, *, actor: str, editor_id: int | None = None) -> Issue:
    """Approve what the issue says now, freezing it; with two approvals needed the first leaves it a draft.

    Raises Conflict for an issue that is no draft, has no stories, would do harm, or that this person approved already.
    A door calls `preflight.look_through` before, so that nothing is rendered in its transaction. Approved later than
    max_lateness after its time, it asks for a new one.
    """
    seen, kept = _seen(issue), memory(issue)
    _freeze(issue)
    preflight.refuse_harm(issue)
    given = approvals(issue)
    if any(is_by(each, actor=actor, editor_id=editor_id) for each in given):
        raise errors.Conflict("You have approved this issue already. It needs somebody else as well.")
    now = clock.now()
    issue.approvals.append(IssueApproval(editor_id=editor_id, actor=actor, frozen_hash=issue.frozen_hash, at=now))
    issue.undo = kept
    if len(given) + 1 < NEEDED[issue.newsletter.approval]:
        _move(issue, IssueState.DRAFT, seen, actor=actor, editor_id=editor_id, action="approved in part")
        telling.half_approved(issue, by=actor, editor_id=editor_id)
        return issue
    issue.approved_at, issue.held_reason = now, ""
    if issue.send_at and now - issue.send_at > settings.current().max_lateness:
        said = moments.said(issue.send_at, issue.newsletter.zone)
        issue.held_reason = f"Its time, {said}, is long past. Choose a new time, or send it now."
        issue.send_at = None
    return _move(issue, IssueState.APPROVED, seen, actor=actor, editor_id=editor_id, action="approved")


def approve_unseen(issue: Issue, *, actor: str, note: str = "") -> Issue:
    """Approve a draft by its newsletter's rule, with nobody having looked at it. Raises Conflict without stories."""
    seen = _seen(issue)
    _freeze(issue)
    issue.approvals.append(IssueApproval(actor=actor, frozen_hash=issue.frozen_hash, at=clock.now()))
    issue.approved_at, issue.held_reason, issue.undo = clock.now(), "", None
    return _move(issue, IssueState.APPROVED, seen, actor=actor, editor_id=None, action="approved", note=note)


def schedule(issue: Issue, send_at: datetime, *, actor: str, editor_id: int | None = None) -> Issue:
    """Have an approved issue go at an instant (aware, in the future); again: at another one."""
    if send_at.tzinfo is None:
        raise errors.BadInput("The time needs an offset, like 2026-12-01T07:00+01:00.", field="send_at")
    if send_at <= clock.now():
        raise errors.BadInput("This time is past. Choose a later one, or send the issue now.", field="send_at")
    return _set_time(issue, send_at, actor=actor, editor_id=editor_id, action="scheduled")


def send_now(issue: Issue, *, actor: str, editor_id: int | None = None, grace: timedelta = timedelta(0)) -> Issue:
    """Make an approved issue due, after `grace` in which it can be undone.

    planning.release, or the next tick, sends it once this is committed.
    """
    return _set_time(issue, clock.now() + grace, actor=actor, editor_id=editor_id, action="sent")


def return_to_draft(issue: Issue, *, actor: str, reason: str = "", editor_id: int | None = None) -> Issue:
    """Open an approved or scheduled issue again: approvals, frozen content and planned messages are forgotten."""
    if issue.state not in READY:
        raise errors.Conflict(f"This issue is {shown_state(issue)}: it cannot become draft.")
    seen = _seen(issue)
    thaw(issue)
    _move(issue, IssueState.DRAFT, seen, actor=actor, editor_id=editor_id, action="returned to draft", note=reason)
    runs.discard(issue)
    return issue


def undo(issue: Issue, *, actor: str, editor_id: int | None = None) -> Issue:
    """Take back the last approval, time or "send now" while nothing has left; the issue is as it was before.

    Raises Conflict when there is none, and when the first mails have left.
    """
    kept = issue.undo
    if issue.state is IssueState.RELEASED:
        raise errors.Conflict("It is too late: the mails are leaving. Pause the issue, or cancel what has not left.")
    if kept is None or issue.state not in OPEN_ISSUES:
        raise errors.Conflict("There is nothing to undo.")
    seen, state = _seen(issue), IssueState(kept["state"])
    send_at = datetime.fromisoformat(kept["send_at"]) if kept["send_at"] else None
    if state in READY and send_at is not None and send_at <= clock.now():
        # Its time passed while it was to go now: with that time again it would go at once.
        state, send_at = IssueState.APPROVED, None
    if state is IssueState.DRAFT:
        _take_back_approvals(issue, kept["approvals"])
    if issue.state is not IssueState.DRAFT:
        issue.send_at, issue.held_reason = send_at, kept["held_reason"]
    issue.undo = None
    _move(issue, state, seen, actor=actor, editor_id=editor_id, action="undone")
    runs.discard(issue)
    return issue


def memory(issue: Issue) -> dict[str, Any]:
    """What `undo` needs to bring the issue back to where it stands now."""
    return {
        "state": issue.state.value,
        "send_at": issue.send_at.isoformat() if issue.send_at else "",
        "held_reason": issue.held_reason,
        "approvals": [each.id for each in issue.approvals],
    }


def approvals(issue: Issue) -> list[IssueApproval]:
    """Who approved what the issue says now."""
    return [each for each in issue.approvals if each.frozen_hash == issue.frozen_hash]


def is_by(approval: IssueApproval, *, actor: str, editor_id: int | None) -> bool:
    """Whether this person gave it."""
    return approval.editor_id == editor_id and (editor_id is not None or approval.actor == actor)


def thaw(issue: Issue) -> None:
    """Forget what was frozen and who approved it: the content is to change."""
    issue.frozen, issue.frozen_hash, issue.approved_at, issue.undo = None, "", None, None
    issue.approvals.clear()
    db.session.flush()


def cancel(issue: Issue, *, actor: str, editor_id: int | None = None) -> Issue:
    """Cancel an issue; of a released one, every message that has not left. Raises Conflict when it is sent already."""
    if issue.state is not IssueState.RELEASED:
        _move(issue, IssueState.CANCELLED, _seen(issue), actor=actor, editor_id=editor_id, action="cancelled")
        runs.discard(issue)
        if issue.occurrence is not None and issue.occurrence.state.is_open:
            issue.occurrence.state, issue.occurrence.note = OccurrenceState.SKIPPED, "Its issue was cancelled."
            db.session.flush()
        return issue
    return _steer(issue, "cancel", actor=actor, editor_id=editor_id)


def pause(issue: Issue, *, actor: str, reason: str = "", editor_id: int | None = None) -> Issue:
    """Stop a sending issue between two messages."""
    return _steer(issue, "pause", actor=actor, editor_id=editor_id, reason=reason or f"Paused by {actor}.")


def resume(issue: Issue, *, actor: str, editor_id: int | None = None) -> Issue:
    """Go on with a paused issue. Raises Conflict while messages wait in words that are no longer right."""
    run = runs.find(issue)
    if run and (stale := amendments.stale_editions(issue.id)) and readdressing.has_open(run, stale):
        raise errors.Conflict(f"{amendments.of(freezing.content(issue)).reason} Approve the corrected mail first.")
    return _steer(issue, "resume", actor=actor, editor_id=editor_id)


def released(issue: Issue, *, actor: str) -> Issue:
    """Mark an approved issue as handed to the outbox; the caller releases the run in the same transaction."""
    undoing.forget(issue)
    seen = _seen(issue)
    issue.released_at, issue.held_reason, issue.undo = clock.now(), "", None
    issue.send_at = issue.send_at or issue.released_at
    return _move(issue, IssueState.RELEASED, seen, actor=actor, editor_id=None, action="released")


def hold(issue: Issue, reason: str, *, actor: str) -> None:
    """Keep an open issue from going by itself, with a reason an editor reads."""
    issue.held_reason = reason
    db.session.flush()
    audit.record(actor, "held", _subject(issue), after={"reason": reason})


def shown_state(issue: Issue) -> str:
    """draft, approved, scheduled, sending, paused, sent or cancelled."""
    if issue.state is not IssueState.RELEASED:
        return issue.state.value
    run = runs.find(issue)
    return _SHOWN[run.state] if run else "sending"


def latest(newsletter: Newsletter | None = None, *, limit: int = 20) -> list[Issue]:
    """The newest issues, of one newsletter or of all, newest first."""
    query = select(Issue).order_by(Issue.id.desc()).limit(limit)
    return list(db.session.scalars(query.filter_by(newsletter_id=newsletter.id) if newsletter else query))


def _freeze(issue: Issue) -> None:
    if issue.state is not IssueState.DRAFT:
        raise errors.Conflict(f"Only a draft can be approved. This issue is {shown_state(issue)}.")
    if issue.is_note and not (issue.subject and issue.intro):
        raise errors.Conflict("This note says nothing yet. Write its subject and its text first.")
    if not issue.is_note and not issue.stories:
        raise errors.Conflict("This issue has no stories yet. Compose it again when there are some.")
    freezing.freeze(issue)


def _set_time(issue: Issue, send_at: datetime, *, actor: str, editor_id: int | None, action: str) -> Issue:
    if issue.state not in READY:
        raise errors.Conflict(f"Only an approved issue can be sent. This issue is {shown_state(issue)}.")
    reason = amendments.of(freezing.content(issue)).reason
    if reason:
        raise errors.Conflict(f"{reason} Go on without it, or return the issue to draft.")
    seen, kept = _seen(issue), memory(issue)
    runs.discard(issue)
    issue.send_at, issue.held_reason, issue.undo = send_at, "", kept
    return _move(issue, IssueState.SCHEDULED, seen, actor=actor, editor_id=editor_id, action=action)


def _take_back_approvals(issue: Issue, kept: list[int]) -> None:
    issue.approvals[:] = [each for each in issue.approvals if each.id in kept]
    if not issue.approvals:
        thaw(issue)
    db.session.flush()


def _move(
    issue: Issue,
    to: IssueState,
    seen: dict[str, Any],
    *,
    actor: str,
    editor_id: int | None,
    action: str,
    note: str = "",
) -> Issue:
    """Change the state if it is still the one we saw: of two who move an issue at once, one gets a Conflict.

    `seen` is what the record says it was before.
    """
    before = issue.state
    if to not in MOVES[before]:
        raise errors.Conflict(f"This issue is {shown_state(issue)}: it cannot become {to.value}.")
    db.session.flush()
    moved = db.session.execute(
        update(Issue)
        .where(Issue.id == issue.id, Issue.state == before)
        .values(state=to, version=Issue.version + 1)
        .returning(Issue.id)
        .execution_options(synchronize_session=False)
    ).first()
    db.session.refresh(issue, ["state", "version"])
    if moved is None:
        raise errors.Conflict(f"Somebody else was faster: this issue is {shown_state(issue)} now.")
    after = _seen(issue) | ({"note": note} if note else {})
    audit.record(actor, action, _subject(issue), before=seen, after=after, editor_id=editor_id)
    return issue


def _seen(issue: Issue) -> dict[str, Any]:
    """What a line of the record says of an issue: where it stands, when it goes, and the hash of what was approved."""
    return {
        "state": issue.state.value,
        "send_at": issue.send_at and issue.send_at.isoformat(),
        "hash": issue.frozen_hash,
        "approved_by": [each.actor for each in approvals(issue)] if issue.frozen_hash else [],
    }


def _steer(issue: Issue, action: str, *, actor: str, editor_id: int | None, reason: str = "") -> Issue:
    run = runs.find(issue) if issue.state is IssueState.RELEASED else None
    if run is None:
        raise errors.Conflict(f"Only an issue that is being sent can be stopped. This issue is {shown_state(issue)}.")
    before = run.state.value
    if action == "pause":
        queue.pause(run, reason)
    elif action == "resume":
        queue.resume(run)
    else:
        queue.cancel(run)
    audit.record(
        actor,
        action,
        _subject(issue),
        before={"run": before},
        after={"run": run.state.value, "reason": reason},
        editor_id=editor_id,
    )
    return issue


def _subject(issue: Issue) -> str:
    return f"issue {issue.id}"
