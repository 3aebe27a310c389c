"""The last change to an issue, undone."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from newsletter import errors
from newsletter.issues import agenda, editing
from newsletter.staff.roles import Action
from newsletter.web.admin import access
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint("desk_steps", __name__, url_prefix="/admin/issues/<int:issue_id>/undo")


@blueprint.post("")
@access.needs(Action.EDIT)
def undo(issue_id: int) -> Response:
    """Undo the last change, if it still is the one that was shown."""
    issue = agenda.get(issue_id)
    was = issue.state
    issue_page.check_may_open(issue)
    try:
        label = editing.undo(issue, issue_page.hand(), request.form.get("step", type=int))
    except errors.Conflict as error:
        return issue_page.page(issue_id, error.message, status=409)
    return issue_page.done(issue, was, f"Undone: {label}.", anchor="stories")
