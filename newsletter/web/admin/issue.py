"""One issue: its stories in order, its words, and where it stands."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import clock, db, errors
from newsletter.issues import (
    agenda,
    amending,
    counting,
    dates,
    deciding,
    editing,
    lifecycle,
    notes,
    preflight,
    watching,
)
from newsletter.issues.models import OPEN_ISSUES, Issue, IssueState
from newsletter.staff import audit, editors
from newsletter.staff.models import AuditEntry
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers, making

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
    """Who would get it, as a fragment that the page fetches anew."""
    issue = agenda.get(issue_id)
    return render_template("admin/_figures.html", issue=issue, counted=counting.of(issue))


@blueprint.post("/figures")
@access.needs(Action.EDIT)
def count(issue_id: int) -> Response:
    """Have the readers counted anew; a job does it, and the page shows it when it is done."""
    counting.ask(agenda.get(issue_id))
    db.session.commit()
    return answers.see_other(url_for(".show", issue_id=issue_id, _anchor="readers"))


@blueprint.get("/progress")
@access.needs(Action.LOOK)
def show_progress(issue_id: int) -> str:
    """How far it is, as a fragment that the page fetches anew."""
    issue = agenda.get(issue_id)
    status, pace = watching.look(issue)
    return render_template("admin/_progress.html", issue=issue, status=status, pace=pace)


@blueprint.get("/meanwhile")
@access.needs(Action.LOOK)
def meanwhile(issue_id: int) -> str:
    """Who changed it since the version that a page shows, as a fragment that the page fetches anew."""
    issue, seen = agenda.get(issue_id), request.args.get("version", type=int)
    change = next(iter(audit.of(f"issue {issue.id}", limit=1)), None) if seen != issue.version else None
    return render_template("admin/_meanwhile.html", issue=issue, change=change, name=_name_of(change))


@blueprint.post("/stories/<int:article_id>")
@access.needs(Action.EDIT)
def change_story(issue_id: int, article_id: int) -> Response:
    """Do one thing to one story."""
    act = _ACTS.get(request.form.get("do", ""))
    if act is None:
        raise errors.BadInput("There is nothing like that to do with a story.")
    issue = agenda.get(issue_id)
    was = issue.state
    check_may_open(issue)
    try:
        told = act(issue, article_id, hand()) or _TOLD.get(request.form["do"], "")
    except errors.Conflict as error:
        return page(issue_id, error.message, status=409)
    return done(issue, was, told, anchor=f"story-{article_id}")


@blueprint.post("/words")
@access.needs(Action.EDIT)
def write(issue_id: int) -> Response:
    """Keep subject, preheader and introduction, unless somebody else has changed the issue meanwhile."""
    words, issue = _words(), agenda.get(issue_id)
    was, mark = issue.state, request.form.get("mark")
    if mark and was is not IssueState.DRAFT:
        # They were written on the page of a draft: words that save themselves take back no approval.
        return _both(issue_id, words, "This issue is no longer a draft.")
    check_may_open(issue)
    try:
        editing.word(issue, words, hand(), mark=mark)
    except errors.Conflict as error:
        return _both(issue_id, words, error.message)
    except errors.BadInput as error:
        return page(issue_id, error.message, status=422, typed=words)
    return done(issue, was, "The words are saved.", anchor="words")


def check_may_open(issue: Issue) -> None:
    """A change takes an approval back, so only who may approve changes an approved issue: raises Refused."""
    if issue.state is not IssueState.DRAFT and not access.visitor().may(Action.PUBLISH):
        raise errors.Refused("This issue is approved. An editor returns it to draft before it is changed.")


def hand() -> editing.Hand:
    """The visitor's hand, with the version of the issue that the form was made for."""
    visitor = access.visitor()
    return editing.Hand(visitor.address, visitor.editor_id, request.form.get("version", type=int))


def done(issue: Issue, was: IssueState, told: str = "", *, anchor: str = "") -> Response:
    """Commit a change and show the issue again; an approved one that became a draft by it says so."""
    if was is not IssueState.DRAFT and issue.state is IssueState.DRAFT:
        told += " The issue is a draft again, and needs its approval once more."
    issue_id = issue.id
    db.session.commit()
    return answers.see_other(url_for("desk_issue.show", issue_id=issue_id, _anchor=anchor), told=told.strip())


def page(
    issue_id: int, problem: str = "", *, status: int = 200, typed: editing.Words | None = None, **matter: Any
) -> Response:
    """The issue's page, with what was wrong and what was typed, `matter` over making's; nothing half done stays."""
    security.allow("frame-src", "'self'")
    db.session.rollback()
    with db.reading():
        issue = agenda.get(issue_id)
        state = lifecycle.shown_state(issue)
        found, pace = watching.look(issue)
        shown = render_template(
            "admin/issue.html",
            issue=issue,
            state=state,
            stories=issue.stories,
            dropped=[entry for entry in issue.entries if entry.dropped_at is not None],
            words=typed or _words_of(issue),
            goes_at=goes_at(issue),
            decision=deciding.decision(issue) if issue.state is IssueState.DRAFT else None,
            seconds_left=_seconds_left(issue),
            now=clock.now(),
            is_due=_is_due(issue),
            counted=counting.of(issue),
            preflight=preflight.of(issue) if issue.state in OPEN_ISSUES else None,
            status=found,
            pace=pace,
            about=notes.about(issue),
            standing=amending.standing(issue),
            history=audit.of(f"issue {issue.id}", limit=12),
            problem=problem,
            **(making.matter(issue) | matter),
        )
    return make_response(shown, status)


def goes_at(issue: Issue) -> datetime | None:
    """The time an approved one would be scheduled for: its own if that lies ahead, else the calendar's next."""
    now = clock.now()
    if issue.send_at is not None and issue.send_at > now:
        return issue.send_at
    return None if issue.is_note else dates.next_appearance(issue.newsletter, now)


def _is_due(issue: Issue) -> bool:
    """Whether it was told to go and the next tick will release it."""
    return issue.state is IssueState.SCHEDULED and issue.send_at is not None and issue.send_at <= clock.now()


def _seconds_left(issue: Issue) -> int | None:
    """Until it leaves, where it can only be stopped any more."""
    if issue.send_at is None or not deciding.goes_within_undo(issue):
        return None
    return max(0, round((issue.send_at - clock.now()).total_seconds()))


def _name_of(change: AuditEntry | None) -> str:
    if change is None:
        return ""
    editor = editors.find(change.actor)
    return (editor.name if editor else "") or change.actor


def _words() -> editing.Words:
    # Browsers send line ends as CRLF whatever was stored.
    values = {name: request.form.get(name, "").replace("\r\n", "\n").strip() for name in _LONGEST}
    for name, longest in _LONGEST.items():
        if len(values[name]) > longest:
            raise errors.BadInput(f"The {name} has more than {longest} characters.", field=name)
    return editing.Words(**values)


def _words_of(issue: Issue) -> editing.Words:
    return editing.Words(issue.subject, issue.preheader, issue.intro)


def _both(issue_id: int, mine: editing.Words, problem: str) -> Response:
    db.session.rollback()
    with db.reading():
        issue = agenda.get(issue_id)
        shown = render_template(
            "admin/issue_both.html", issue=issue, mine=mine, theirs=_words_of(issue), problem=problem
        )
    return make_response(shown, 409)


def _move(by: int) -> Callable[[Issue, int, editing.Hand], str]:
    """One place up or down among the stories that stand."""

    def move(issue: Issue, article_id: int, hand: editing.Hand) -> str:
        order = [entry.article_id for entry in issue.stories]
        here = order.index(article_id) + 1 if article_id in order else 0
        place = editing.move(issue, article_id, to=here + by, hand=hand)
        return f"Moved to {place} of {len(order)}."

    return move


_ACTS: dict[str, Callable[[Issue, int, editing.Hand], str | None]] = {
    "up": _move(-1),
    "down": _move(1),
    "pin": editing.pin,
    "unpin": editing.unpin,
    "drop": editing.drop,
    "take": editing.take_back,
}
_TOLD = {
    "pin": "It leads this issue.",
    "unpin": "It is no longer pinned.",
    "drop": "Dropped.",
    "take": "It is in again.",
}
