"""The feeds articles come from: listed with their last fetch, added, fetched now."""

from collections import defaultdict

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, jobs
from newsletter.articles import feeds, polling
from newsletter.publication import topics
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_feeds", __name__, url_prefix="/admin/feeds")

# Empty lines offered for "category means topic"; more are added by saving and adding again.
MAPPING_LINES = 4


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The list."""
    return _page()


@blueprint.post("")
@access.needs(Action.PLAN)
def add() -> Response:
    """Add a feed with the topics all its items get and what its categories mean."""
    try:
        feed = feeds.add(
            request.form.get("url", "").strip(),
            topics=request.form.getlist("topics"),
            mapping=_mapping(),
            language=request.form.get("language", "en").strip() or "en",
        )
    except (errors.BadInput, errors.Conflict, errors.FetchRefused) as error:
        db.session.rollback()
        return _page(error.message, status=422)
    visitor = access.visitor()
    audit.record(
        visitor.address,
        "feed added",
        f"feed {feed.id}",
        after={"url": feed.url, "topics": request.form.getlist("topics"), "mapping": _mapping()},
        editor_id=visitor.editor_id,
    )
    jobs.defer("fetch_feed", feed_id=feed.id)
    db.session.commit()
    return answers.see_other(
        url_for("desk_feeds.show"), told="The feed is added. It is fetched within a few seconds, or press Fetch now."
    )


@blueprint.post("/<int:feed_id>/fetches")
@access.needs(Action.EDIT)
def fetch(feed_id: int) -> Response:
    """Fetch a feed now and say what came."""
    feed, visitor = feeds.get(feed_id), access.visitor()
    audit.record(
        visitor.address,
        "feed fetched",
        f"feed {feed.id}",
        before={"fetched_at": feed.fetched_at and feed.fetched_at.isoformat()},
        editor_id=visitor.editor_id,
    )
    db.session.commit()  # polling owns its transactions: no transaction waits for another server
    report = polling.poll(feed_id)
    if report.error:
        return answers.see_other(url_for("desk_feeds.show"), told=f"The fetch failed: {report.error}")
    told = "Nothing has changed since the last fetch." if report.is_unchanged else _came(report)
    return answers.see_other(url_for("desk_feeds.show"), told=told)


@blueprint.post("/<int:feed_id>/pause")
@access.needs(Action.PLAN)
def pause(feed_id: int) -> Response:
    """Fetch it no more by itself, or again."""
    feed, visitor = feeds.get(feed_id), access.visitor()
    before, goes_on = feed.is_active, request.form.get("do") == "resume"
    (feeds.go_on if goes_on else feeds.pause)(feed)
    audit.record(
        visitor.address,
        "feed resumed" if goes_on else "feed paused",
        f"feed {feed.id}",
        before={"is_active": before},
        after={"is_active": feed.is_active},
        editor_id=visitor.editor_id,
    )
    db.session.commit()
    told = "It is fetched again, within a minute." if goes_on else "It is fetched no more until it is resumed."
    return answers.see_other(url_for("desk_feeds.show", _anchor=f"feed-{feed_id}"), told=told)


def _came(report: polling.Report) -> str:
    counted = f"{report.new} new, {report.updated} updated, {report.same} unchanged."
    return f"{counted} {' '.join(list(report.problems)[:3])}".strip()


def _mapping() -> dict[str, list[str]]:
    gathered: dict[str, list[str]] = defaultdict(list)
    pairs = zip(request.form.getlist("category"), request.form.getlist("category_topic"), strict=False)
    for category, slug in pairs:
        if category.strip() and slug:
            gathered[category.strip()].append(slug)
    return dict(gathered)


def _page(problem: str = "", *, status: int = 200) -> Response:
    with db.reading():
        typed = list(zip(request.form.getlist("category"), request.form.getlist("category_topic"), strict=False))
        page = render_template(
            "admin/feeds.html",
            feeds=feeds.all(),
            topics=topics.all(),
            url=request.form.get("url", ""),
            chosen=request.form.getlist("topics"),
            language=request.form.get("language", "en"),
            lines=typed or [("", "")] * MAPPING_LINES,
            problem=problem,
        )
    return make_response(page, status)
