"""What an editor sees first: what goes out next, what waits, what is leaving, what went wrong."""

from flask import Blueprint, render_template, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.articles import feeds
from newsletter.audience import asking
from newsletter.feedback import growth
from newsletter.issues import agenda, arrivals, deciding, lifecycle, runs, telling, troubles, watching
from newsletter.issues.models import Issue, IssueState
from newsletter.outbox import queue, tally
from newsletter.outbox.models import MessageState, Run
from newsletter.staff import audit, notices
from newsletter.staff.models import Notice
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers, charts

blueprint = Blueprint("desk_today", __name__, url_prefix="/admin")

_WEEK, _MONTH = 7, 30


@blueprint.get("", strict_slashes=False)
@access.needs(Action.LOOK)
def show() -> str:
    """Today."""
    coming, waiting = agenda.coming(), agenda.waiting()
    shown = [*waiting, *(each.issue for each in coming if each.issue)]
    uncertain, uncertain_elsewhere = troubles.uncertain()
    return render_template(
        "admin/today.html",
        coming=coming,
        stopped=_stopped(),
        waiting=waiting,
        decisions={issue.id: deciding.decision(issue) for issue in waiting if issue.state is IssueState.DRAFT},
        stories=agenda.story_counts(shown),
        arrived=_arrived(shown),
        sending=_sending(),
        notices=_notices(waiting),
        failing=[feed for feed in feeds.all() if feed.failures],
        uncertain=uncertain,
        uncertain_elsewhere=uncertain_elsewhere,
        bouncing=troubles.bouncing(),
        overdue=troubles.overdue(),
        unopened=troubles.unopened(),
        is_nobody_sending=troubles.is_nobody_sending(),
        growth=growth.lately(_WEEK),
        chart=charts.growth(growth.spans(_MONTH), title="Growth of the readership in 30 days"),
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


@blueprint.post("/runs/<int:run_id>/resume")
@access.needs(Action.PUBLISH)
def resume(run_id: int) -> Response:
    """Let mails go on that are no issue's; an issue is resumed on its own page."""
    run = db.session.get(Run, run_id)
    if run is None or run.kind == runs.KIND:
        raise errors.NotFound("There is no such mailing.")
    reason, visitor = run.paused_reason, access.visitor()
    queue.resume(run)
    audit.record(
        visitor.address, "resume", f"run {run.id}", before={"reason": reason}, after={}, editor_id=visitor.editor_id
    )
    db.session.commit()
    return answers.see_other(url_for("desk_today.show"), told="It goes on.")


def _notices(waiting: list[Issue]) -> list[Notice]:
    """What the visitor was told and has not put away, but for what Today shows as it is now."""
    waits = {issue.id for issue in waiting}
    return [
        notice
        for notice in notices.unseen(access.visitor().editor_id)
        if notice.issue_id not in waits and not telling.says_what_today_shows(notice)
    ]


def _stopped() -> list[dict[str, object]]:
    """What was paused beside issues, which stand under what is sending."""
    return [
        {
            "run": run,
            "subject": asking.subject(run) if run.kind == asking.MAIL else f"Mails of the kind {run.kind}",
            "left": sum(tally.counts(run)[state] for state in (MessageState.QUEUED, MessageState.DEFERRED)),
        }
        for run in queue.paused(but=runs.KIND)
    ]


def _arrived(issues: list[Issue]) -> dict[int, int]:
    """How many later arrivals the open issues have, by the issue's id."""
    return {issue.id: arrivals.count(issue) for issue in dict.fromkeys(issues)}


def _sending() -> list[dict[str, object]]:
    looks = [(issue, *watching.look(issue)) for issue in agenda.under_way()]
    return [{"issue": issue, "status": status, "pace": pace} for issue, status, pace in looks]
