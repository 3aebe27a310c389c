"""Erasing one reader who asked staff for it: what goes, what stays, and the act itself."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.audience import consent, directory
from newsletter.privacy import erase
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_erasures", __name__, url_prefix="/admin/readers/<int:reader_id>/erasure")


@blueprint.get("")
@access.needs(Action.PLAN)
def review(reader_id: int) -> Response:
    """What erasing would take away."""
    return _page(reader_id)


@blueprint.post("")
@access.needs(Action.PLAN)
@access.after_proof()
def erase_one(reader_id: int) -> Response:
    """Erase the reader whose address was typed: it cannot be undone, so a slip of the hand is no wish."""
    visitor = access.visitor()
    try:
        erase.erase_at_wish(
            reader_id, request.form.get("address", ""), actor=visitor.address, editor_id=visitor.editor_id
        )
    except errors.BadInput as error:
        db.session.rollback()
        return _page(reader_id, error.message)
    db.session.commit()
    return answers.see_other(url_for("desk_readers.show"), told="Everything about this reader is erased.")


def _page(reader_id: int, problem: str = "") -> Response:
    with db.reading():
        reader = directory.get(reader_id)
        page = render_template(
            "admin/erase_reader.html",
            reader=reader,
            proof=consent.proof(reader.subscriber.address),
            typed=request.form.get("address", ""),
            problem=problem,
        )
    return make_response(page, 422 if problem else 200)
