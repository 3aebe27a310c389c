"""Addresses that are not written to: searched, added to, and lifted with a reason."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.audience import directory
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.privacy import blocks
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_suppressions", __name__, url_prefix="/admin/suppressions")


@blueprint.get("")
@access.needs(Action.READERS)
def show() -> Response:
    """The list, newest first."""
    return _page()


@blueprint.post("")
@access.needs(Action.READERS)
def stop() -> Response:
    """Never write to an address again, because its owner asked."""
    visitor = access.visitor()
    try:
        made, is_new = blocks.stop(
            request.form.get("email", ""),
            request.form.get("note", ""),
            actor=visitor.address,
            editor_id=visitor.editor_id,
        )
    except errors.BadInput as error:
        db.session.rollback()
        return _page(error)
    made_id = made.id
    db.session.commit()
    told = "Nothing goes to this address any more." if is_new else "Nothing went to this address before, either."
    return answers.see_other(url_for(".show_one", suppression_id=made_id), told=told)


@blueprint.get("/<int:suppression_id>")
@access.needs(Action.READERS)
def show_one(suppression_id: int) -> Response:
    """One of them, with what came before."""
    return _one(suppression_id)


@blueprint.post("/<int:suppression_id>/lifting")
@access.needs(Action.PLAN)
@access.after_proof()
def lift(suppression_id: int) -> Response:
    """Allow mail to the address again, for a reason that is kept."""
    visitor = access.visitor()
    try:
        blocks.lift(
            suppression.get(suppression_id),
            request.form.get("reason", ""),
            actor=visitor.address,
            editor_id=visitor.editor_id,
        )
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        return _one(suppression_id, error)
    db.session.commit()
    return answers.see_other(url_for(".show_one", suppression_id=suppression_id), told="This is lifted.")


def _page(problem: errors.BadInput | None = None) -> Response:
    words, reason = request.args.get("q", "").strip()[:320], request.args.get("reason", "")
    is_lifted = request.args.get("state") == "lifted"
    before = request.args.get("before", type=int)
    with db.reading():
        found = suppression.listed(words=words, reason=reason, in_force=not is_lifted, before=before)
        page = render_template(
            "admin/suppressions.html",
            suppressions=found,
            counts=suppression.counts(),
            reasons=list(SuppressionReason),
            words=words,
            reason=reason,
            is_lifted=is_lifted,
            older=found[-1].id if len(found) == suppression.PAGE else None,
            typed=request.form,
            said=problem.message if problem else "",
        )
    return make_response(page, 422 if problem else 200)


def _one(suppression_id: int, problem: errors.BadInput | errors.Conflict | None = None) -> Response:
    with db.reading():
        present = suppression.get(suppression_id)
        page = render_template(
            "admin/suppression.html",
            present=present,
            history=suppression.history(present),
            reader=directory.find(present.address) if present.address else None,
            typed=request.form,
            field=problem.field if isinstance(problem, errors.BadInput) else "",
            said=problem.message if problem else "",
        )
    if problem is None:
        return make_response(page)
    return make_response(page, 422 if isinstance(problem, errors.BadInput) else 409)
