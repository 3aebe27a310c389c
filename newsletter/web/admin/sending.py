"""An issue's way out: approved, scheduled, sent, paused, stopped."""

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import clock, db, errors, jobs, settings
from newsletter.issues import agenda, calendar, counting, deciding, lifecycle, preflight, rescheduling
from newsletter.issues.deciding import Then
from newsletter.issues.models import Issue, IssueState
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers, wording
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint("desk_sending", __name__, url_prefix="/admin/issues/<int:issue_id>")


class _Who(TypedDict):
    actor: str
    editor_id: int


@blueprint.post("/approval")
@access.needs(Action.PUBLISH)
def approve(issue_id: int) -> Response:
    """Approve what was looked at, and have it go when the button said."""

    def approve_it(issue: Issue) -> str:
        _check_seen(issue)
        then = _then()
        deciding.approve(issue, then, _wanted(issue, then), **_who())
        if issue.state is IssueState.DRAFT:
            return "Your approval is noted. It needs one more."
        return "Approved. " + _goes(issue)

    # In transactions of its own: nothing is rendered while others wait to write.
    preflight.look_through(issue_id)
    return _do(issue_id, approve_it)


@blueprint.post("/undoing")
@access.needs(Action.PUBLISH)
def undo(issue_id: int) -> Response:
    """Take the last approval or time back, while nothing has left."""

    def undo_it(issue: Issue) -> str:
        if issue.state is not IssueState.RELEASED:
            _check_seen(issue)
        lifecycle.undo(issue, **_who())
        return "Undone. " + _goes(issue)

    return _do(issue_id, undo_it)


@blueprint.post("/draft")
@access.needs(Action.PUBLISH)
def return_to_draft(issue_id: int) -> Response:
    """Open it for changes again."""

    def return_it(issue: Issue) -> str:
        lifecycle.return_to_draft(issue, **_who())
        return "It is a draft again, and needs a new approval."

    return _do(issue_id, return_it)


@blueprint.post("/schedule")
@access.needs(Action.PUBLISH)
def schedule(issue_id: int) -> Response:
    """Have it go at a date and time of the newsletter's zone."""

    def schedule_it(issue: Issue) -> str:
        goes_at = _typed_instant(issue.newsletter.zone)
        lifecycle.schedule(issue, goes_at, **_who())
        return _goes(issue)

    return _do(issue_id, schedule_it)


@blueprint.get("/release")
@access.needs(Action.PUBLISH)
def review(issue_id: int) -> str:
    """What sending now would do."""
    issue = agenda.get(issue_id)
    return render_template(
        "admin/release.html",
        issue=issue,
        state=lifecycle.shown_state(issue),
        undo=settings.current().send_undo,
        counted=counting.of(issue),
    )


@blueprint.post("/release")
@access.needs(Action.PUBLISH)
def release(issue_id: int) -> Response:
    """Make it due now, or in the minute in which it can be undone; the scheduler plans and releases it."""

    def release_it(issue: Issue) -> str:
        _check_seen(issue)
        grace = settings.current().send_undo
        lifecycle.send_now(issue, **_who(), grace=grace)
        if not grace:
            jobs.defer("release", issue_id=issue_id)
        return _goes(issue)

    return _do(issue_id, release_it)


@blueprint.post("/pause")
@access.needs(Action.PUBLISH)
def pause(issue_id: int) -> Response:
    """Stop between two messages."""

    def pause_it(issue: Issue) -> str:
        lifecycle.pause(issue, **_who())
        return "Paused. What has left has left; nothing further goes."

    return _do(issue_id, pause_it)


@blueprint.post("/resume")
@access.needs(Action.PUBLISH)
def resume(issue_id: int) -> Response:
    """Go on."""

    def resume_it(issue: Issue) -> str:
        lifecycle.resume(issue, **_who())
        return "It goes on."

    return _do(issue_id, resume_it)


@blueprint.get("/cancellation")
@access.needs(Action.PUBLISH)
def review_cancellation(issue_id: int) -> str:
    """What cancelling would do."""
    issue = agenda.get(issue_id)
    return render_template("admin/cancel.html", issue=issue, state=lifecycle.shown_state(issue))


@blueprint.post("/cancellation")
@access.needs(Action.PUBLISH)
def cancel(issue_id: int) -> Response:
    """Cancel it: what has not left never will."""

    def cancel_it(issue: Issue) -> str:
        lifecycle.cancel(issue, **_who())
        return "The issue is cancelled."

    return _do(issue_id, cancel_it)


def _do(issue_id: int, act: Callable[[Issue], str]) -> Response:
    """One step, committed; or the issue's page with the sentence that says why not."""
    try:
        told = act(agenda.get(issue_id))
    except errors.Conflict as error:
        return issue_page.page(issue_id, error.message, status=409)
    except errors.BadInput as error:
        return issue_page.page(issue_id, error.message, status=422)
    db.session.commit()
    return answers.see_other(url_for("desk_issue.show", issue_id=issue_id), told=told)


def _check_seen(issue: Issue) -> None:
    """What is approved or sent is what was looked at: raises Conflict when it has changed since."""
    db.session.refresh(issue, with_for_update=True)
    if issue.version != request.form.get("version", type=int):
        raise errors.Conflict("This issue has changed since you looked. Look at it once more, then decide.")


def _who() -> _Who:
    visitor = access.visitor()
    return {"actor": visitor.address, "editor_id": visitor.editor_id}


def _then() -> Then:
    try:
        return Then(request.form.get("then") or Then.WAIT)
    except ValueError:
        raise errors.BadInput("Please choose when it is to go.", field="then") from None


def _wanted(issue: Issue, then: Then) -> datetime | None:
    """When it is to go: as typed, where its own time is long past, else as the button named it."""
    if then is Then.ASK:
        return _typed_instant(issue.newsletter.zone)
    return _named_instant() if then is Then.LATER else None


def _goes(issue: Issue) -> str:
    """When it goes now, in a sentence."""
    if issue.state is IssueState.DRAFT:
        return "It is a draft, and needs an approval."
    if issue.send_at is None:
        return issue.held_reason or "It waits until somebody gives it a time."
    left = (issue.send_at - clock.now()).total_seconds()
    if left <= 0:
        return "It goes now. The first mails leave within a few seconds."
    if deciding.goes_within_undo(issue):
        return f"It goes in {wording.count(round(left), 'second', 'seconds')}."
    return f"It goes {wording.when(issue.send_at, issue.newsletter.zone)}."


def _named_instant() -> datetime:
    """The instant the button named: it is scheduled for just that, however long the page stood open."""
    try:
        instant = datetime.fromisoformat(request.form.get("goes_at", ""))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise errors.BadInput("Please choose a date and a time.", field="on")
    return instant


def _typed_instant(zone: str) -> datetime:
    wall = rescheduling.wall_time(request.form.get("on", ""), request.form.get("at", ""))
    due = calendar.due(zone, wall.date(), wall.time())
    if due is None:
        raise errors.BadInput("This date never was in this time zone.", field="on")
    return due
