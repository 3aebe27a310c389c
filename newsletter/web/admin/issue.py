"""One issue: its stories in order, its words, and where it stands."""

from datetime import datetime

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import clock, db, errors
from newsletter.issues import agenda, calendar, composing, editing, lifecycle, progress
from newsletter.issues.models import Issue, IssueState
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_issue", __name__, url_prefix="/admin/issues/<int:issue_id>")

# Room for a long one, far from what a mail client shows (about 60 characters).
_LONGEST = {"subject": 300, "preheader": 300, "intro": 10_000}


@blueprint.get("")
@access.needs(Action.LOOK)
def show(issue_id: int) -> Response:
    """The issue."""
    return page(issue_id)


@blueprint.get("/figures")
@access.needs(Action.LOOK)
def figures(issue_id: int) -> str:
    """Who would get it, as a fragment: counting many readers takes a moment, and the page does not wait for it."""
    return render_template("admin/_figures.html", figures=composing.figures(agenda.get(issue_id)))


@blueprint.get("/progress")
@access.needs(Action.LOOK)
def show_progress(issue_id: int) -> str:
    """How far it is, as a fragment that the page fetches anew."""
    issue = agenda.get(issue_id)
    return render_template("admin/_progress.html", issue=issue, status=progress.status(issue))


@blueprint.post("/stories/<int:article_id>")
@access.needs(Action.EDIT)
def change_story(issue_id: int, article_id: int) -> Response:
    """Do one thing to one story."""
    visitor = access.visitor()
    try:
        what = editing.Act(request.form.get("do", ""))
    except ValueError:
        raise errors.BadInput("There is nothing like that to do with a story.") from None
    try:
        editing.act(agenda.get(issue_id), article_id, what, actor=visitor.address, editor_id=visitor.editor_id)
    except errors.Conflict as error:
        return page(issue_id, error.message, status=409)
    db.session.commit()
    return answers.see_other(url_for(".show", issue_id=issue_id, _anchor=f"story-{article_id}"))


@blueprint.post("/words")
@access.needs(Action.EDIT)
def write(issue_id: int) -> Response:
    """Keep subject, preheader and introduction, unless somebody else has changed them meanwhile."""
    visitor = access.visitor()
    words, seen = _words(""), _words("seen_")
    try:
        editing.write(agenda.get(issue_id), words, seen=seen, actor=visitor.address, editor_id=visitor.editor_id)
    except editing.Stale:
        return _both(issue_id, words)
    except errors.Conflict as error:
        return page(issue_id, error.message, status=409, typed=words)
    except errors.BadInput as error:
        return page(issue_id, error.message, status=422, typed=words)
    db.session.commit()
    return answers.see_other(url_for(".show", issue_id=issue_id, _anchor="words"), told="The words are saved.")


def page(issue_id: int, problem: str = "", *, status: int = 200, typed: editing.Words | None = None) -> Response:
    """The issue's page, with what was wrong and what was typed; nothing half done stays."""
    db.session.rollback()
    with db.reading():
        issue = agenda.get(issue_id)
        state = lifecycle.shown_state(issue)
        shown = render_template(
            "admin/issue.html",
            issue=issue,
            state=state,
            stories=issue.stories,
            dropped=[entry for entry in issue.entries if entry.dropped_at is not None],
            words=typed or editing.words_of(issue),
            seen=editing.words_of(issue),
            goes_at=goes_at(issue),
            figures=composing.figures(issue) if _wants_figures(issue) else None,
            status=progress.status(issue) if issue.state is IssueState.RELEASED else None,
            history=audit.of(f"issue {issue.id}", limit=12),
            problem=problem,
        )
    return make_response(shown, status)


def goes_at(issue: Issue) -> datetime | None:
    """The time an approval would schedule it for: its own if that lies ahead, else the calendar's next."""
    now = clock.now()
    if issue.send_at is not None and issue.send_at > now:
        return issue.send_at
    schedule = calendar.schedule_of(issue.newsletter)
    occasion = calendar.next_after(schedule, now) if schedule else None
    return occasion.due_at if occasion else None


def _wants_figures(issue: Issue) -> bool:
    return request.args.get("figures") == "yes" and issue.state is not IssueState.RELEASED


def _words(prefix: str) -> editing.Words:
    # Browsers send line ends as CRLF whatever was stored.
    values = {name: request.form.get(prefix + name, "").replace("\r\n", "\n").strip() for name in _LONGEST}
    for name, longest in _LONGEST.items():
        if len(values[name]) > longest:
            raise errors.BadInput(f"The {name} has more than {longest} characters.", field=name)
    return editing.Words(**values)


def _both(issue_id: int, mine: editing.Words) -> Response:
    db.session.rollback()
    with db.reading():
        issue = agenda.get(issue_id)
        shown = render_template("admin/issue_both.html", issue=issue, mine=mine, theirs=editing.words_of(issue))
    return make_response(shown, 409)
