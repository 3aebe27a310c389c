"""The subjects a reader chooses: added, renamed, put in order, with the newsletters that carry each."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.publication import newsletters, topics
from newsletter.publication.models import Topic
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_topics", __name__, url_prefix="/admin/topics")


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The topics in the magazine's order."""
    return _page()


@blueprint.post("")
@access.needs(Action.PLAN)
def add() -> Response:
    """Add a topic."""
    slug = request.form.get("slug", "").strip()
    try:
        if topics.find(slug) is not None:
            raise errors.BadInput("There is a topic with this short name already.", field="slug")
        topic = topics.add(slug, request.form.get("name", ""))
    except errors.BadInput as error:
        db.session.rollback()
        return _page(error, status=422)
    name = topic.name
    _note("topic added", slug, {}, {"name": name})
    return answers.see_other(url_for(".show"), told=f"{name} is added. Offer it by ticking it in a newsletter.")


@blueprint.post("/<slug>/name")
@access.needs(Action.PLAN)
def rename(slug: str) -> Response:
    """Give a topic another name; its short name, and every address with it, stays."""
    topic = _topic(slug)
    before, seen = topic.name, request.form.get("seen", "")
    if before not in (seen, request.form.get("name", "").strip()):
        db.session.rollback()
        return _page(problem=f"Somebody else has renamed {seen} to {before}. Nothing is changed.", status=409)
    try:
        after = topics.add(slug, request.form.get("name", "")).name
    except errors.BadInput as error:
        db.session.rollback()
        return _page(error, renamed=slug, status=422)
    _note("topic renamed", slug, {"name": before}, {"name": after})
    return answers.see_other(url_for(".show", _anchor=f"topic-{slug}"), told=f"{before} is {after} now.")


@blueprint.post("/<slug>/place")
@access.needs(Action.PLAN)
def move(slug: str) -> Response:
    """Put a topic before the one above it, or after the one below."""
    topic = _topic(slug)
    before = [each.slug for each in topics.all()]
    if topics.move(topic.slug, up=request.form.get("do") != "down"):
        _note("topics put in order", slug, {"order": before}, {"order": [each.slug for each in topics.all()]})
    return answers.see_other(url_for(".show", _anchor=f"topic-{slug}"))


def _topic(slug: str) -> Topic:
    topic = topics.find(slug)
    if topic is None:
        raise errors.NotFound("There is no such topic.")
    return topic


def _note(action: str, slug: str, before: dict[str, object], after: dict[str, object]) -> None:
    visitor = access.visitor()
    audit.record(visitor.address, action, f"topic {slug}", before=before, after=after, editor_id=visitor.editor_id)
    db.session.commit()


def _page(error: errors.BadInput | None = None, *, problem: str = "", renamed: str = "", status: int = 200) -> Response:
    with db.reading():
        page = render_template(
            "admin/topics.html",
            topics=topics.all(),
            carrying=newsletters.carrying(),
            problems={error.field: error.message} if error and not renamed else {},
            renamed={"slug": renamed, "said": error.message if error else ""},
            typed=request.form,
            problem=problem,
        )
    return make_response(page, status)
