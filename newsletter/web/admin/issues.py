"""The issues of all newsletters, and composing the next one."""

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import clock, db
from newsletter.issues import agenda, composing, lifecycle
from newsletter.issues.models import Issue
from newsletter.publication import newsletters
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint("desk_issues", __name__, url_prefix="/admin")


@blueprint.get("/issues")
@access.needs(Action.LOOK)
def show() -> str:
    """The list, newest first."""
    slug, state = request.args.get("newsletter", ""), request.args.get("state", "")
    found = agenda.page(
        newsletter=newsletters.get(slug) if slug else None,
        state=state,
        before=request.args.get("before", type=int),
    )
    return render_template(
        "admin/issues.html",
        issues=[(issue, lifecycle.shown_state(issue)) for issue in found],
        newsletters=newsletters.all(),
        states=agenda.STATES,
        slug=slug,
        state=state,
        older=found[-1].id if len(found) == agenda.PAGE else None,
    )


@blueprint.post("/newsletters/<slug>/issues")
@access.needs(Action.EDIT)
def compose(slug: str) -> Response:
    """Compose the newsletter's open issue, or bring it up to date."""
    newsletter, visitor = newsletters.get(slug), access.visitor()
    present = composing.open_issue(newsletter)
    if present is not None:
        issue_page.check_may_open(present)
    before = _contents(present) if present else {}
    issue = composing.compose(newsletter, now=clock.now())
    audit.record(
        visitor.address,
        "composed",
        f"issue {issue.id}",
        before=before,
        after=_contents(issue),
        editor_id=visitor.editor_id,
    )
    issue_id, came = issue.id, len(set(_contents(issue)["stories"]) - set(before.get("stories", [])))
    db.session.commit()
    told = f"{came} {'story' if came == 1 else 'stories'} added." if came else "Nothing has arrived since."
    return answers.see_other(url_for("desk_issue.show", issue_id=issue_id), told=told)


def _contents(issue: Issue) -> dict[str, list[int]]:
    return {"stories": [entry.article_id for entry in issue.stories]}
