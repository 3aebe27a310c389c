"""The messages of one issue: by state, page by page, and of one address."""

from flask import Blueprint, render_template, request

from newsletter import errors
from newsletter.issues import agenda, lifecycle, receipts, runs
from newsletter.outbox import listing, tally
from newsletter.outbox.models import MessageState
from newsletter.staff.roles import Action
from newsletter.web.admin import access

blueprint = Blueprint("desk_messages", __name__, url_prefix="/admin/issues/<int:issue_id>/messages")


@blueprint.get("")
@access.needs(Action.READERS)
def show(issue_id: int) -> str:
    """The list, in the order the readers came."""
    issue, state = agenda.get(issue_id), _state()
    run, address = runs.find(issue), request.args.get("q", "").strip()[:320]
    counts = tally.counts(run) if run else {}
    found = listing.page(run, counts, state=state, after=request.args.get("after", 0, type=int)) if run else None
    return render_template(
        "admin/messages.html",
        issue=issue,
        issue_state=lifecycle.shown_state(issue),
        run=run,
        counts=counts,
        found=found,
        shown_state=listing.shown_state,
        state=state.value if state else "",
        address=address,
        answer=receipts.ask(issue, address) if address else None,
    )


def _state() -> MessageState | None:
    asked = request.args.get("state", "")
    if asked and asked not in list(MessageState):
        raise errors.BadInput("There is no such state.", field="state")
    return MessageState(asked) if asked else None
