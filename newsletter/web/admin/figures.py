"""Figures now: how the readership grows, what became of each issue, and both as tables to take along."""

from collections.abc import Iterable, Iterator, Sequence

from flask import Blueprint, Response, render_template, request, stream_with_context

from newsletter import errors, spreadsheet
from newsletter.feedback import growth, results
from newsletter.publication import newsletters, topics
from newsletter.staff.roles import Action
from newsletter.web.admin import access, charts

blueprint = Blueprint("desk_figures", __name__, url_prefix="/admin/figures")

PERIODS = {"90": "90 days", "365": "A year"}
_DAYS = ("day", "newsletter", "topic", "joined", "left")
_ISSUES = (
    *("newsletter", "number", "state", "released_at", "planned", "accepted", "bounced", "deferred", "uncertain"),
    *("waiting", "expired_skipped_cancelled", "left_after", "accepted_share", "bounced_share", "left_share"),
)


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> str:
    """The page: growth of everything, of a newsletter or of a topic; the issues, newest first."""
    newsletter, topic, period = _asked()
    found = results.page(newsletter=newsletter, before=request.args.get("before", type=int))
    by_scope = growth.by_scope(int(period))
    titles = {each.slug: each.title for each in newsletters.all()}
    names = {each.slug: each.name for each in topics.all()}
    return render_template(
        "admin/figures.html",
        chart=charts.growth(
            growth.spans(int(period), newsletter=newsletter, topic=topic),
            title=f"Growth of {titles.get(newsletter) or names.get(topic) or 'the readership'}",
        ),
        total=by_scope.get((newsletter, topic), growth.Growth(0, 0, 0)),
        by_newsletter=[(slug, title, by_scope.get((slug, ""))) for slug, title in titles.items()],
        by_topic=[(slug, name, by_scope.get(("", slug))) for slug, name in names.items()],
        results=found,
        titles=titles,
        names=names,
        newsletter=newsletter,
        topic=topic,
        period=period,
        periods=PERIODS,
        counted_at=growth.counted_at(),
        zone=newsletters.zone(),
        older=found[-1].issue_id if len(found) == results.PAGE else None,
    )


@blueprint.get("/growth.csv")
@access.needs(Action.LOOK)
def growth_sheet() -> Response:
    """Every counted day."""
    return _sheet("growth.csv", _DAYS, growth.every())


@blueprint.get("/issues.csv")
@access.needs(Action.LOOK)
def issues_sheet() -> Response:
    """Every released issue."""
    slug = request.args.get("newsletter", "")
    if slug:
        newsletters.get(slug)
    return _sheet("issues.csv", _ISSUES, (_cells(each) for each in results.every(newsletter=slug)))


def _asked() -> tuple[str, str, str]:
    newsletter, topic = request.args.get("newsletter", ""), request.args.get("topic", "")
    period = request.args.get("period", "90")
    if period not in PERIODS:
        raise errors.BadInput("There is no such period.", field="period")
    if newsletter:
        # One of the two is looked at: what a newsletter's topic gained is counted nowhere.
        return newsletters.get(newsletter).slug, "", period
    if topic and topic not in {each.slug for each in topics.all()}:
        raise errors.NotFound("There is no such topic.")
    return "", topic, period


def _sheet(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    def lines() -> Iterator[str]:
        yield spreadsheet.START + spreadsheet.line(head)
        for row in rows:
            yield spreadsheet.line(row)

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _cells(each: results.Result) -> list[object]:
    shares = (each.accepted_share, each.bounced_share, each.left_share)
    return [
        *(each.newsletter, each.number, each.state, each.released_at.isoformat()),
        *(each.planned, each.accepted, each.bounced, each.deferred, each.uncertain, each.waiting, each.other),
        each.left,
        *(None if share is None else round(share, 4) for share in shares),
    ]
