"""How an issue goes on whose story was withdrawn or corrected: a draft without it, or a corrected mail to the rest."""

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, jobs
from newsletter.issues import agenda, amending
from newsletter.issues.editing import Hand
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint("desk_amending", __name__, url_prefix="/admin/issues/<int:issue_id>")


@blueprint.post("/going-on")
@access.needs(Action.PUBLISH)
def go_on(issue_id: int) -> Response:
    """Open a held issue again without the story."""
    try:
        amending.go_on(agenda.get(issue_id), _hand())
    except errors.Conflict as error:
        return issue_page.page(issue_id, error.message, status=409)
    db.session.commit()
    told = "It goes on without it: lead and subject are chosen anew. It needs a new approval."
    return answers.see_other(url_for("desk_issue.show", issue_id=issue_id), told=told)


@blueprint.get("/correction")
@access.needs(Action.LOOK)
def look(issue_id: int) -> str:
    """Whether the waiting mails are still being changed, as a fragment: the page is loaded anew when that is over."""
    is_under_way = bool(agenda.get(issue_id).correction_hash)
    return render_template("admin/_changing.html", state="changing" if is_under_way else "changed")


@blueprint.post("/correction")
@access.needs(Action.PUBLISH)
def approve(issue_id: int) -> Response:
    """Approve the corrected mail for everybody who has not had theirs."""
    resumes = request.form.get("then") == "resume"
    try:
        is_complete = amending.approve(agenda.get(issue_id), request.form.get("hash", ""), _hand(), resumes=resumes)
    except errors.Conflict as error:
        return issue_page.page(issue_id, error.message, status=409)
    if is_complete:
        jobs.defer("correct", issue_id=issue_id)
    db.session.commit()
    if not is_complete:
        told = "Your approval is noted. The correction needs one more."
    else:
        told = "The correction is approved. It goes on as soon as the waiting mails are changed."
        told = told if resumes else "The correction is approved. The waiting mails are being changed; it stays paused."
    return answers.see_other(url_for("desk_issue.show", issue_id=issue_id), told=told)


def _hand() -> Hand:
    visitor = access.visitor()
    return Hand(visitor.address, visitor.editor_id, request.form.get("version", type=int))
