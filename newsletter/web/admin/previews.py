"""How an issue will look: as mail and as text, to a reader of chosen topics."""

from flask import Blueprint, Response, render_template, request

from newsletter.issues import agenda, counting, figuring, lifecycle, previews
from newsletter.issues.models import Issue
from newsletter.issues.selection import Profile
from newsletter.mail.templates import Rendered
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, frames

blueprint = Blueprint("desk_previews", __name__, url_prefix="/admin/issues/<int:issue_id>/preview")


@blueprint.get("")
@access.needs(Action.LOOK)
def show(issue_id: int) -> str:
    """The page around the mail."""
    security.allow("frame-src", "'self'")
    issue, form = agenda.get(issue_id), request.args.get("as", "mail")
    return render_template(
        "admin/preview.html",
        issue=issue,
        state=lifecycle.shown_state(issue),
        form=form if form in ("mail", "phone", "text") else "mail",
        topics=issue.newsletter.topics,
        chosen=_topic_ids(),
        edition=request.args.get("edition", ""),
        rendered=_rendered(issue_id),
    )


@blueprint.get("/mail")
@access.needs(Action.LOOK)
def mail(issue_id: int) -> Response:
    """The mail's HTML, made harmless: no script, no forms, an origin of its own, framed by us alone."""
    return frames.of_mail(_rendered(issue_id).html)


def _rendered(issue_id: int) -> Rendered:
    issue = agenda.get(issue_id)
    return previews.render(issue, _topic_ids() or None, _profile(issue))


def _profile(issue: Issue) -> Profile | None:
    """That of the edition that was asked for by its name."""
    sample = counting.of(issue).figures.get(request.args.get("edition", ""))
    return figuring.profile_of(sample["profile"]) if isinstance(sample, dict) and "profile" in sample else None


def _topic_ids() -> frozenset[int]:
    return frozenset(request.args.getlist("topic", type=int))
