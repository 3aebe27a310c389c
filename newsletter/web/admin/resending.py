"""Sending again what failed of an issue: looked at first, then done."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.issues import agenda, lifecycle, resending
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers, wording

blueprint = Blueprint("desk_resending", __name__, url_prefix="/admin/issues/<int:issue_id>/resending")


@blueprint.get("")
@access.needs(Action.PUBLISH)
def review(issue_id: int) -> Response:
    """What it would do."""
    return _page(issue_id, request.args.get("after", 0, type=int))


@blueprint.post("")
@access.needs(Action.PUBLISH)
def resend(issue_id: int) -> Response:
    """Queue again what was looked at."""
    visitor = access.visitor()
    after, up_to = (request.form.get(name, type=int) for name in ("after", "up_to"))
    try:
        if after is None or up_to is None:
            raise errors.BadInput("Look at what failed first.")
        moved = resending.resend(
            agenda.get(issue_id), after=after, up_to=up_to, actor=visitor.address, editor_id=visitor.editor_id
        )
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        return _page(issue_id, 0, problem=error)
    db.session.commit()
    told = f"{wording.count(moved, 'mail is', 'mails are')} queued again."
    if request.form.get("is_more") == "yes":
        return answers.see_other(url_for(".review", issue_id=issue_id, after=up_to), told=told)
    return answers.see_other(url_for("desk_issue.show", issue_id=issue_id), told=told)


def _page(issue_id: int, after: int, *, problem: errors.NewsletterError | None = None) -> Response:
    with db.reading():
        issue = agenda.get(issue_id)
        state = lifecycle.shown_state(issue)
        shown = render_template(
            "admin/resending.html",
            issue=issue,
            state=state,
            after=after,
            found=resending.review(issue, after=after) if state in ("sending", "paused", "sent") else None,
            problem=problem.message if problem else "",
        )
    return make_response(shown, 200 if problem is None else 409 if isinstance(problem, errors.Conflict) else 422)
