"""Who reads: counted, searched, one by one with what they agreed to."""

from flask import Blueprint, render_template, request

from newsletter.audience import consent, directory
from newsletter.staff.roles import Action
from newsletter.web.admin import access

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
    return render_template("admin/reader.html", reader=reader, proof=consent.proof(reader.subscriber.address))
