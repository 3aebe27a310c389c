"""What preflight found in an issue, and having it looked through again."""

from flask import Blueprint, render_template, url_for
from werkzeug.wrappers import Response

from newsletter import db
from newsletter.issues import agenda, preflight
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_preflight", __name__, url_prefix="/admin/issues/<int:issue_id>/preflight")


@blueprint.get("")
@access.needs(Action.LOOK)
def show(issue_id: int) -> str:
    """What was found, as a fragment that the issue's page fetches anew."""
    issue = agenda.get(issue_id)
    return render_template("admin/_preflight_found.html", issue=issue, preflight=preflight.of(issue))


@blueprint.post("")
@access.needs(Action.EDIT)
def look_again(issue_id: int) -> Response:
    """Have it looked through anew, and links asked again that did not answer well; a job does it."""
    preflight.ask(agenda.get(issue_id))
    db.session.commit()
    return answers.see_other(url_for("desk_issue.show", issue_id=issue_id, _anchor="preflight"))
