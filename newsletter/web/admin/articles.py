"""What there is to read: searched, brought in from a page, withdrawn."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.articles import catalogue, pages, publishing
from newsletter.issues import agenda, lifecycle
from newsletter.publication import topics
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_articles", __name__, url_prefix="/admin/articles")


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The list, newest first."""
    return _page()


@blueprint.post("")
@access.needs(Action.EDIT)
def bring_in() -> Response:
    """Read an article's page and keep it."""
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
    headline = article.headline
    db.session.commit()
    return answers.see_other(url_for("desk_articles.show"), told=f"“{headline}” is in.")


@blueprint.get("/<int:article_id>/withdrawal")
@access.needs(Action.PUBLISH)
def review_withdrawal(article_id: int) -> str:
    """What withdrawing would touch."""
    article = catalogue.get(article_id)
    return render_template(
        "admin/withdraw.html",
        article=article,
        issues=[(issue, lifecycle.shown_state(issue)) for issue in agenda.carrying(article.id)],
    )


@blueprint.post("/<int:article_id>/withdrawal")
@access.needs(Action.PUBLISH)
def withdraw(article_id: int) -> Response:
    """Withdraw an article: no issue that has not left brings it."""
    article, visitor = catalogue.get(article_id), access.visitor()
    before = article.withdrawn_at
    publishing.withdraw(article)
    audit.record(
        visitor.address,
        "article withdrawn",
        f"article {article.id}",
        before={"withdrawn_at": before and before.isoformat()},
        after={"withdrawn_at": article.withdrawn_at and article.withdrawn_at.isoformat()},
        editor_id=visitor.editor_id,
    )
    headline = article.headline
    db.session.commit()
    return answers.see_other(url_for("desk_articles.show"), told=f"“{headline}” is withdrawn.")


def _page(problem: str = "", *, status: int = 200) -> Response:
    words, topic = request.args.get("q", "").strip(), request.args.get("topic", "")
    with db.reading():
        found = catalogue.page(words=words, topic=topic, before=request.args.get("before", type=int))
        page = render_template(
            "admin/articles.html",
            articles=found,
            topics=topics.all(),
            words=words,
            topic=topic,
            older=found[-1].id if len(found) == catalogue.PAGE else None,
            is_empty=catalogue.is_empty(),
            typed={"url": request.form.get("url", ""), "topics": request.form.getlist("topics")},
            problem=problem,
        )
    return make_response(page, status)
