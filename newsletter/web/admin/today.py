"""What an editor sees first: what goes out next, what waits, what is leaving, what went wrong."""

from datetime import timedelta

from flask import Blueprint, render_template, url_for
from werkzeug.wrappers import Response

from newsletter import db
from newsletter.articles import feeds
from newsletter.audience import directory
from newsletter.issues import agenda, lifecycle, progress
from newsletter.outbox import doubts
from newsletter.staff import notices
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_today", __name__, url_prefix="/admin")

_WEEK = timedelta(days=7)


@blueprint.get("", strict_slashes=False)
@access.needs(Action.LOOK)
def show() -> str:
    """Today."""
    return render_template(
        "admin/today.html",
        coming=agenda.coming(),
        waiting=agenda.waiting(),
        sending=_sending(),
        notices=notices.unseen(access.visitor().editor_id),
        failing=[feed for feed in feeds.all() if feed.failures],
        uncertain=doubts.count(),
        growth=directory.growth(_WEEK),
        shown_state=lifecycle.shown_state,
    )


@blueprint.get("/sending")
@access.needs(Action.LOOK)
def sending() -> str:
    """What is leaving, as a fragment that the page fetches anew."""
    return render_template("admin/_sending.html", sending=_sending())


@blueprint.post("/notices/<int:notice_id>/seen")
@access.needs(Action.LOOK)
def put_away(notice_id: int) -> Response:
    """Take a notice off one's own Today."""
    notices.put_away(access.visitor().editor_id, notice_id)
    db.session.commit()
    return answers.see_other(url_for("desk_today.show"))


def _sending() -> list[dict[str, object]]:
    return [{"issue": issue, "status": progress.status(issue)} for issue in agenda.under_way()]
