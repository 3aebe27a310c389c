"""The messages of an issue whose fate is unknown: listed with what is on record, settled or sent again."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.issues import agenda, doubts, lifecycle, runs
from newsletter.issues.models import Issue
from newsletter.outbox import doubts as uncertain
from newsletter.outbox.models import MessageState
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers, wording

blueprint = Blueprint("desk_uncertain", __name__, url_prefix="/admin/issues/<int:issue_id>/uncertain")

_LONGEST_NOTE = 300
_LARGEST_ID = 2**63 - 1


@blueprint.get("")
@access.needs(Action.READERS)
def show(issue_id: int) -> Response:
    """The list."""
    return _page(issue_id)


@blueprint.post("")
@access.needs(Action.PUBLISH)
def act(issue_id: int) -> Response:
    """Say what became of one message or of all, or send them again."""
    try:
        outcome = _do(_chosen(agenda.get(issue_id)))
    except errors.BadInput as error:
        db.session.rollback()
        return _page(issue_id, problem=error)
    db.session.commit()
    is_again = request.form.get("do") == "resend"
    told = f"{wording.count(len(outcome.moved), 'mail', 'mails')} {'queued again' if is_again else 'settled'}."
    if outcome.stayed:
        reasons = ", ".join(sorted(set(outcome.stayed.values())))
        told += f" {wording.count(len(outcome.stayed), 'stays as it is', 'stay as they are')}: {reasons}."
    return answers.see_other(url_for(".show", issue_id=issue_id), told=told)


def _do(message_ids: list[int]) -> doubts.Outcome:
    what, visitor = request.form.get("do", ""), access.visitor()
    if what == "resend":
        return doubts.resend(message_ids, actor=visitor.address, editor_id=visitor.editor_id)
    if what not in (MessageState.SENT, MessageState.BOUNCED):
        raise errors.BadInput("Please choose what became of them.", field="do")
    note = request.form.get("note", "").strip()
    if len(note) > _LONGEST_NOTE:
        raise errors.BadInput(f"Please use at most {_LONGEST_NOTE} characters.", field="note")
    evidence = f"settled by an editor{f': {note}' if note else ''}"
    return doubts.settle(
        message_ids, as_=MessageState(what), evidence=evidence, actor=visitor.address, editor_id=visitor.editor_id
    )


def _chosen(issue: Issue) -> list[int]:
    """The one message that was pressed, or all once their number was typed."""
    run = runs.find(issue)
    if run is None:
        raise errors.BadInput("Nothing of this issue is uncertain.")
    if "message" in request.form:
        message_id = request.form.get("message", type=int)
        if message_id is None or not 0 < message_id <= _LARGEST_ID:
            raise errors.BadInput("There is no such message.")
        return [message.id for message in uncertain.find([message_id]) if message.run_id == run.id]
    number, typed = uncertain.count(run_id=run.id), request.form.get("count", "").strip().replace(",", "")
    if typed != str(number):
        raise errors.BadInput(f"Please type {number}, the number of messages, if you mean all of them.", field="count")
    return [message.id for message in uncertain.listed(run_id=run.id)]


def _page(issue_id: int, *, problem: errors.BadInput | None = None) -> Response:
    with db.reading():
        issue = agenda.get(issue_id)
        run = runs.find(issue)
        found = uncertain.page(run.id, after=request.args.get("after", 0, type=int)) if run else []
        shown = render_template(
            "admin/uncertain.html",
            issue=issue,
            state=lifecycle.shown_state(issue),
            messages=found[: uncertain.PAGE],
            further=found[uncertain.PAGE - 1].id if len(found) > uncertain.PAGE else None,
            number=uncertain.count(run_id=run.id) if run else 0,
            typed=request.form,
            wrong=problem.field if problem else "",
            said=problem.message if problem else "",
        )
    return make_response(shown, 422 if problem else 200)
