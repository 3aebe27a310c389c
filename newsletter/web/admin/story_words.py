"""A story's headline and dek in one issue, in the editor's words."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from newsletter import errors
from newsletter.issues import agenda, editing
from newsletter.staff.roles import Action
from newsletter.web.admin import access
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint(
    "desk_story_words", __name__, url_prefix="/admin/issues/<int:issue_id>/stories/<int:article_id>/words"
)

# Room for a long one, far from what a mail shows well.
_LONGEST = {"headline": 300, "dek": 600}

_MEANWHILE = (
    "Somebody else reworded this story meanwhile. What stands now is above your words: save yours to keep them instead."
)


@blueprint.post("")
@access.needs(Action.EDIT)
def write(issue_id: int, article_id: int) -> Response:
    """Keep another headline and dek for this issue, or go back to the article's own."""
    issue = agenda.get(issue_id)
    was = issue.state
    issue_page.check_may_open(issue)
    is_reset = request.form.get("do") == "reset"
    typed = {name: "" if is_reset else " ".join(request.form.get(name, "").split()) for name in _LONGEST}
    shown = {"id": article_id, **typed}
    for name, longest in _LONGEST.items():
        if len(typed[name]) > longest:
            problem = f"The {name} has more than {longest} characters."
            return issue_page.page(
                issue_id, problem, status=422, typed_story=shown | {"wrong": name, "problem": problem}
            )
    try:
        editing.reword(issue, article_id, **typed, hand=issue_page.hand(), mark=request.form.get("mark"))
    except errors.Conflict:
        return issue_page.page(issue_id, _MEANWHILE, status=409, typed_story=shown)
    told = "It has its own words again." if is_reset else "The story is reworded, in this issue only."
    return issue_page.done(issue, was, told, anchor=f"story-{article_id}")
