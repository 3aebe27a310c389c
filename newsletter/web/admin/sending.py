"""An issue's way out: approved, scheduled, sent, paused, stopped."""

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, jobs
from newsletter.issues import agenda, calendar, composing, lifecycle, rescheduling
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
    """Approve what was looked at, and schedule it where the button said so."""

    def approve_it(issue: Issue) -> str:
        _check_seen(issue)
        who = _who()
        lifecycle.approve(issue, **who)
        if issue.state is not IssueState.APPROVED:
            return "Your approval is noted. It needs one more."
        if request.form.get("then") != "schedule":
            return "The issue is approved."
        goes_at = _named_instant()
        lifecycle.schedule(issue, goes_at, **who)
        return f"Approved. It goes {wording.when(goes_at, issue.newsletter.zone)}."

    return _do(issue_id, approve_it)


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
        return f"It goes {wording.when(goes_at, issue.newsletter.zone)}."

    return _do(issue_id, schedule_it)


@blueprint.get("/release")
@access.needs(Action.PUBLISH)
def review(issue_id: int) -> str:
    """What sending now would do."""
    issue = agenda.get(issue_id)
    return render_template(
        "admin/release.html", issue=issue, state=lifecycle.shown_state(issue), figures=composing.figures(issue)
    )


@blueprint.post("/release")
@access.needs(Action.PUBLISH)
def release(issue_id: int) -> Response:
    """Make it due now; a job, or the scheduler's next tick, plans and releases it."""

    def release_it(issue: Issue) -> str:
        _check_seen(issue)
        lifecycle.send_now(issue, **_who())
        jobs.defer("release", issue_id=issue_id)
        return "It goes now. The first mails leave within a few seconds."

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
