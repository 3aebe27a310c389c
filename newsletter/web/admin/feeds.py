"""The feeds articles come from: listed with their last fetch, added, mapped to topics, tried, fetched now."""

from collections import defaultdict
from dataclasses import asdict

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import clock, db, errors, jobs
from newsletter.articles import feeds, polling, trying
from newsletter.articles.feeds import Plan
from newsletter.articles.models import Feed
from newsletter.articles.trying import Trial
from newsletter.publication import topics
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_feeds", __name__, url_prefix="/admin/feeds")

# Empty lines offered for "category means topic"; more are added by saving and adding again.
MAPPING_LINES = 4
_SPARE_LINES = 2
# Categories seen in the feed that are offered as lines.
_MOST_SEEN = 30


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
            language=request.form.get("language", "").strip() or "en",
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


@blueprint.get("/<int:feed_id>")
@access.needs(Action.LOOK)
def show_one(feed_id: int) -> Response:
    """One feed: when it was fetched and is again, what went wrong, what its categories mean."""
    return _one(feed_id)


@blueprint.post("/<int:feed_id>")
@access.needs(Action.PLAN)
def change(feed_id: int) -> Response:
    """Set the topics of all its items, what its categories mean, and its language."""
    before, plan, visitor = feeds.plan_of(feeds.get(feed_id)), _plan(), access.visitor()
    try:
        feed = feeds.change(feed_id, plan, seen=request.form.get("seen", ""))
    except errors.BadInput as error:
        return _one(feed_id, {error.field or "mapping": error.message}, status=422)
    except errors.Conflict as error:
        return _one(feed_id, {"": error.message}, status=409)
    audit.record(
        visitor.address,
        "feed mapped",
        f"feed {feed_id}",
        before=asdict(before),
        after=asdict(feeds.plan_of(feed)),
        editor_id=visitor.editor_id,
    )
    if feed.is_active:
        jobs.defer("fetch_feed", feed_id=feed_id)
    db.session.commit()
    told = "It is saved. Articles the feed still carries follow with the next fetch."
    return answers.see_other(url_for(".show_one", feed_id=feed_id), told=told)


@blueprint.post("/<int:feed_id>/trial")
@access.needs(Action.EDIT)
def try_out(feed_id: int) -> Response:
    """Fetch a feed and show what would come in, by the mapping typed where one is; nothing is stored."""
    feed = feeds.get(feed_id)
    url, is_first = feed.url, feed.first_fetched_at is None
    plan = _plan() if "category" in request.form else feeds.plan_of(feed)
    db.session.rollback()  # no transaction waits for another server
    try:
        _, document = polling.look(url, language=plan.language)
    except (errors.BadInput, errors.FetchRefused) as error:
        return _one(feed_id, failure=error.message)
    try:
        with db.reading():
            mapped = feeds.with_plan(feeds.get(feed_id), plan)
            trial = trying.judge(document, mapped, first_fetch=is_first) if document else None
    except errors.BadInput as error:
        return _one(feed_id, {error.field or "mapping": error.message}, status=422)
    return _one(feed_id, trial=trial, failure="" if trial else "The feed says that nothing is new.")


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
        return answers.see_other(_back(feed_id), told=f"The fetch failed: {report.error}")
    told = "Nothing has changed since the last fetch." if report.is_unchanged else _came(report)
    return answers.see_other(_back(feed_id), told=told)


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
    return answers.see_other(_back(feed_id), told=told)


def _back(feed_id: int) -> str:
    """Where the button was pressed: the feed's own page, or its line in the list."""
    if request.form.get("at") == "feed":
        return url_for("desk_feeds.show_one", feed_id=feed_id)
    return url_for("desk_feeds.show", _anchor=f"feed-{feed_id}")


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


def _plan() -> Plan:
    given = request.form
    return Plan(tuple(given.getlist("topics")), _mapping(), given.get("language", "").strip() or "en")


def _one(
    feed_id: int,
    problems: dict[str, str] | None = None,
    *,
    trial: Trial | None = None,
    failure: str = "",
    status: int = 200,
) -> Response:
    db.session.rollback()
    problems = problems or {}
    with db.reading():
        feed = feeds.get(feed_id)
        saved, is_typed = feeds.plan_of(feed), "category" in request.form
        lines, counts = _lines(feed, saved, trial, is_typed=is_typed)
        page = render_template(
            "admin/feed.html",
            feed=feed,
            plan=_plan() if is_typed else saved,
            # Who has been told of the other's change may save over it.
            seen=request.form.get("seen", "") if is_typed and "" not in problems else feeds.stamp(saved),
            saved=saved,
            lines=lines,
            counts=counts,
            topics=topics.all(),
            trial=trial,
            failure=failure,
            is_due=feed.next_fetch_at <= clock.now(),
            history=audit.of(f"feed {feed.id}", limit=12),
            problems={name: said for name, said in problems.items() if name},
            problem=problems.get("", ""),
        )
    return make_response(page, status)


def _lines(
    feed: Feed, saved: Plan, trial: Trial | None, *, is_typed: bool
) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """A line for each category and topic that is set or typed, then one for each category seen that means none yet."""
    set_ = (
        list(zip(request.form.getlist("category"), request.form.getlist("category_topic"), strict=False))
        if is_typed
        else [(category, slug) for category, slugs in saved.mapping.items() for slug in slugs]
    )
    set_ = [line for line in set_ if line[0].strip()]
    counts = dict(trial.categories if trial else feeds.carried(feed))
    named = {category.strip().casefold() for category, _ in set_}
    seen = [(category, "") for category in counts if category.casefold() not in named][:_MOST_SEEN]
    return set_ + seen + [("", "")] * _SPARE_LINES, counts


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
