"""What came for an issue after it was composed: taken in, or left out."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from newsletter import errors
from newsletter.articles.models import Article
from newsletter.issues import agenda, arrivals
from newsletter.issues.editing import Hand
from newsletter.issues.models import Issue
from newsletter.staff.roles import Action
from newsletter.web.admin import access, wording
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint("desk_arrivals", __name__, url_prefix="/admin/issues/<int:issue_id>/arrivals")

_NONE = "Tick the arrivals that you take; the others are left out. Or press Leave all."


@blueprint.post("")
@access.needs(Action.EDIT)
def decide(issue_id: int) -> Response:
    """Take or leave the arrivals that were named; `choose`: take the named ones, and leave the others shown."""
    asked, article_ids = request.form.get("do", ""), request.form.getlist("article", type=int)
    issue = agenda.get(issue_id)
    if asked not in _ACTS or not article_ids:
        return issue_page.page(issue_id, _NONE, status=422)
    was = issue.state
    issue_page.check_may_open(issue)
    try:
        taken, left = _ACTS[asked](issue, article_ids, issue_page.hand())
    except errors.Conflict as error:
        return issue_page.page(issue_id, error.message, status=409, ticked=article_ids)
    told = [f"{_count(taken)} taken in."] * bool(taken) + [f"{_count(left)} left out, for good."] * bool(left)
    return issue_page.done(issue, was, " ".join(told), anchor="stories")


def _take(issue: Issue, article_ids: list[int], hand: Hand) -> tuple[list[Article], list[Article]]:
    return arrivals.take(issue, article_ids, hand), []


def _leave(issue: Issue, article_ids: list[int], hand: Hand) -> tuple[list[Article], list[Article]]:
    return [], arrivals.leave(issue, article_ids, hand)


def _choose(issue: Issue, article_ids: list[int], hand: Hand) -> tuple[list[Article], list[Article]]:
    return arrivals.choose(issue, article_ids, hand, among=request.form.getlist("shown", type=int))


def _count(found: list[Article]) -> str:
    return wording.count(len(found), "story", "stories")


_ACTS = {"take": _take, "leave": _leave, "choose": _choose}
