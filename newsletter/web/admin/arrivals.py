"""What came for an issue after it was composed: taken in, or left out."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from newsletter import errors
from newsletter.issues import agenda, arrivals
from newsletter.staff.roles import Action
from newsletter.web.admin import access, wording
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint("desk_arrivals", __name__, url_prefix="/admin/issues/<int:issue_id>/arrivals")

_ACTS = {"take": arrivals.take, "leave": arrivals.leave}
_TOLD = {"take": "taken in.", "leave": "left out, for good."}


@blueprint.post("")
@access.needs(Action.EDIT)
def decide(issue_id: int) -> Response:
    """Take or leave the arrivals that were named."""
    asked, article_ids = request.form.get("do", ""), request.form.getlist("article", type=int)
    issue = agenda.get(issue_id)
    if asked not in _ACTS or not article_ids:
        return issue_page.page(issue_id, "Choose which arrivals to take or to leave.", status=422)
    was = issue.state
    issue_page.check_may_open(issue)
    try:
        found = _ACTS[asked](issue, article_ids, issue_page.hand())
    except errors.Conflict as error:
        return issue_page.page(issue_id, error.message, status=409)
    told = f"{wording.count(len(found), 'story', 'stories')} {_TOLD[asked]}"
    return issue_page.done(issue, was, told, anchor="stories")
