"""What there is to read: the list, and what is brought in from a page or written by hand."""

from collections.abc import Sequence

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, jobs
from newsletter.articles import catalogue, feeds, pages, publishing, writing
from newsletter.articles.catalogue import Search
from newsletter.languages import speech
from newsletter.publication import masthead, topics
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers
from newsletter.web.admin import article as article_page

blueprint = Blueprint("desk_articles", __name__, url_prefix="/admin/articles")


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The list, newest first."""
    return _page()


@blueprint.post("")
@access.needs(Action.EDIT)
def bring_in() -> Response:
    """Read an article's page and keep it; its own page shows what was read, to be looked over."""
    url, chosen = request.form.get("url", "").strip(), request.form.getlist("topics")
    try:
        topics.by_slugs(chosen)
        db.session.rollback()  # no transaction waits for another server
        published = publishing.publish(pages.read(url, topics=chosen))
    except (errors.BadInput, errors.FetchRefused) as error:
        db.session.rollback()
        return _page(error.message, status=422)
    article, visitor = published.article, access.visitor()
    audit.record(
        visitor.address,
        "article brought in",
        f"article {article.id}",
        after={"url": article.url, "outcome": published.outcome.value},
        editor_id=visitor.editor_id,
    )
    address = url_for("desk_article.show", article_id=article.id)
    told = f"“{article.headline}” is in. {_offered(chosen)}"
    db.session.commit()
    return answers.see_other(address, told=told)


@blueprint.get("/new")
@access.needs(Action.EDIT)
def begin() -> Response:
    """The empty form of an article written by hand."""
    return _blank()


@blueprint.post("/new")
@access.needs(Action.EDIT)
def publish() -> Response:
    """Publish what was written by hand."""
    typed, visitor = request.form, access.visitor()
    try:
        place = article_page.typed_place()
        language = typed.get("language", "")
        if language not in speech.codes():
            raise errors.BadInput("Please choose one of these languages.", field="language")
        article = writing.write(
            article_page.typed_words(), place, author=typed.get("author", "")[:200], language=language
        )
    except errors.BadInput as error:
        db.session.rollback()
        return _blank({error.field or "headline": error.message}, status=422)
    if place.picture_url:
        jobs.defer("fetch_pictures")
    audit.record(
        visitor.address,
        "article written",
        f"article {article.id}",
        after={"headline": article.headline, "url": article.url, "topics": list(place.topics)},
        editor_id=visitor.editor_id,
    )
    address = url_for("desk_article.show", article_id=article.id)
    db.session.commit()
    return answers.see_other(address, told=f"The article is published. {_offered(place.topics)}")


def _offered(slugs: Sequence[str]) -> str:
    return "It is offered to its topics’ newsletters." if slugs else "Give it a topic to have it offered."


def _blank(problems: dict[str, str] | None = None, *, status: int = 200) -> Response:
    with db.reading():
        shown = render_template(
            "admin/article_new.html",
            typed=request.form,
            topics=topics.all(),
            languages=[(code, speech.own_name(code)) for code in speech.codes()],
            own_language=masthead.current().language,
            problems=problems or {},
        )
    return make_response(shown, status)


def _page(problem: str = "", *, status: int = 200) -> Response:
    given = request.args
    search = Search(
        given.get("q", "").strip(),
        given.get("topic", ""),
        given.get("state", ""),
        given.get("feed", type=int),
        given.get("language", ""),
    )
    with db.reading():
        found = catalogue.page(search, before=given.get("before", type=int))
        page = render_template(
            "admin/articles.html",
            articles=found,
            topics=topics.all(),
            search=search,
            states=list(catalogue.STATES),
            feeds=feeds.all(),
            languages=catalogue.languages(),
            older=found[-1].id if len(found) == catalogue.PAGE else None,
            is_empty=catalogue.is_empty(),
            typed={"url": request.form.get("url", ""), "topics": request.form.getlist("topics")},
            problem=problem,
        )
    return make_response(page, status)
