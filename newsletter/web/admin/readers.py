"""Who reads: counted, searched, one by one with what they agreed to."""

import json

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import db, errors
from newsletter.audience import consent, directory, proofs
from newsletter.issues import receipts
from newsletter.outbox import suppression
from newsletter.privacy import blocks
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_readers", __name__, url_prefix="/admin/readers")


@blueprint.get("")
@access.needs(Action.READERS)
def show() -> str:
    """The list."""
    words, state = request.args.get("q", "").strip(), request.args.get("state", "")
    found = directory.page(words=words, standing=state, after=request.args.get("after", 0, type=int))
    return render_template(
        "admin/readers.html",
        readers=found,
        counts=directory.counts(),
        words=words,
        state=state,
        further=found[-1].subscriber.id if len(found) == directory.PAGE else None,
    )


@blueprint.get("/<int:reader_id>")
@access.needs(Action.READERS)
def show_one(reader_id: int) -> str:
    """One reader's subscriptions and consent records."""
    reader = directory.get(reader_id)
    return _reader_page(reader)


@blueprint.post("/<int:reader_id>/suppression")
@access.needs(Action.PLAN)
@access.after_proof()
def lift(reader_id: int) -> AnyResponse:
    """Allow mail to a reader's address again, for a reason that is kept."""
    reader, visitor = directory.get(reader_id), access.visitor()
    try:
        present = suppression.find(reader.subscriber.address)
        if present is None:
            raise errors.Conflict("Nothing stops mail to this address.")
        blocks.lift(
            present,
            request.form.get("reason", ""),
            actor=visitor.address,
            editor_id=visitor.editor_id,
            subject=f"reader {reader_id}",
        )
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        status = 422 if isinstance(error, errors.BadInput) else 409
        return make_response(_reader_page(directory.get(reader_id), problem=error.message), status)
    db.session.commit()
    return answers.see_other(url_for("desk_readers.show_one", reader_id=reader_id), told="Mail may go there again.")


def _reader_page(reader: directory.Listed, *, problem: str = "") -> str:
    mails, further = receipts.of_reader(reader.subscriber.id, before=request.args.get("before", type=int))
    return render_template(
        "admin/reader.html",
        reader=reader,
        mails=mails,
        further_mails=further,
        proof=consent.proof(reader.subscriber.address),
        stopped=suppression.find(reader.subscriber.address),
        problem=problem,
    )


@blueprint.get("/<int:reader_id>/proof")
@access.needs(Action.READERS)
def show_proof(reader_id: int) -> Response:
    """The document to print, as the command line writes it."""
    page = proofs.document(directory.get(reader_id).subscriber.address)
    security.allow("style-src", f"'sha256-{proofs.style_digest(page)}'")
    return Response(page, mimetype="text/html")


@blueprint.get("/<int:reader_id>/proof.json")
@access.needs(Action.READERS)
def show_proof_data(reader_id: int) -> Response:
    """The same as data, as the command line answers it."""
    found = consent.proof(directory.get(reader_id).subscriber.address)
    response = Response(json.dumps(found, ensure_ascii=False) + "\n", mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="proof-{reader_id}.json"'
    return response
