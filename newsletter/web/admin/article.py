"""One article: its words and place, the issues it stands in, and taking it out of them."""

from datetime import datetime
from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, jobs
from newsletter.articles import catalogue, correcting, pictures, placing, wording
from newsletter.articles.correcting import Words
from newsletter.articles.models import Article
from newsletter.articles.placing import Place
from newsletter.issues import agenda, amending, corrections, notes, samples
from newsletter.issues.corrections import Touched
from newsletter.issues.editing import Hand
from newsletter.mail import digest, looks, schemes
from newsletter.publication import masthead, topics
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers, frames

blueprint = Blueprint("desk_article", __name__, url_prefix="/admin/articles/<int:article_id>")

_WORDS = ("headline", "dek", "url", "picture_alt", "body")


@blueprint.get("")
@access.needs(Action.LOOK)
def show(article_id: int) -> Response:
    """One article: its words, the issues it stands in, what was done to it."""
    return _one(article_id)


@blueprint.post("/words")
@access.needs(Action.EDIT)
def write(article_id: int) -> Response:
    """Correct its words; what was approved with the old ones waits, what is being sent stops."""
    typed = _typed(*_WORDS, "reason")
    if request.form.get("do") == "look":
        return _one(article_id, typed=typed | {"seen": request.form.get("seen", "")})
    visitor = access.visitor()
    try:
        article = correcting.get(article_id, seen=_seen())
        _check_may_change(article_id)
        words = typed_words()
        hand = Hand(visitor.address, visitor.editor_id)
        correction, found = corrections.correct(article.id, words, reason=typed["reason"], hand=hand)
    except errors.BadInput as error:
        return _one(article_id, {error.field: error.message}, typed=typed, status=422)
    except errors.Conflict as error:
        return _one(article_id, {"": error.message}, typed=typed, status=409)
    if correction is None:
        return answers.see_other(url_for(".show", article_id=article_id), told="It says so already.")
    told = f"The article is corrected. {_what_waits(found)}".strip()
    db.session.commit()
    return answers.see_other(url_for(".show", article_id=article_id, _anchor="issues"), told=told)


@blueprint.get("/preview")
@access.needs(Action.LOOK)
def preview(article_id: int) -> Response:
    """The article as a digest shows it in the words typed so far, as lead and further down; stored ones where none."""
    article, given = catalogue.get(article_id), request.args
    wide, small = (_image(article, label) for label in ("wide", "small"))
    told = digest.Story(
        article.topics[0].name if article.topics else "",
        wording.plain(given.get("headline", "")) or article.headline,
        wording.plain(given.get("dek", article.dek)),
        given.get("url", article.url),
        article.hypes,
        article.comments,
        wide,
    )
    scheme = given.get("scheme", "")
    mail = samples.of_story(looks.of(masthead.current()), told, small).html
    return frames.of_mail(schemes.in_scheme(mail, scheme if scheme in schemes.SCHEMES else schemes.SCHEMES[0]))


@blueprint.post("/place")
@access.needs(Action.EDIT)
def put(article_id: int) -> Response:
    """Choose its topics, rank, counters and picture; what was approved stays as it was frozen."""
    visitor = access.visitor()
    try:
        article = correcting.get(article_id, seen=_seen())
        place = typed_place()
        before = placing.put(article, place)
    except errors.BadInput as error:
        return _one(article_id, {error.field: error.message}, status=422)
    except errors.Conflict as error:
        return _one(article_id, {"": error.message}, status=409)
    if "picture_url" in before and place.picture_url:
        jobs.defer("fetch_pictures")
    after = {name: getattr(place, name) for name in before}
    audit.record(
        visitor.address,
        "article placed",
        f"article {article_id}",
        before=before,
        after=after,
        editor_id=visitor.editor_id,
    )
    db.session.commit()
    return answers.see_other(url_for(".show", article_id=article_id, _anchor="place"), told="It is saved.")


@blueprint.post("/words/release")
@access.needs(Action.EDIT)
def let_go(article_id: int) -> Response:
    """Leave its words to the feed again."""
    article, visitor = correcting.get(article_id), access.visitor()
    audit.record(
        visitor.address,
        "article left to its feed",
        f"article {article.id}",
        before={"held": article.held_fields},
        editor_id=visitor.editor_id,
    )
    correcting.let_go(article)
    db.session.commit()
    told = "The feed’s own words come back with its next fetch."
    return answers.see_other(url_for(".show", article_id=article_id), told=told)


@blueprint.get("/withdrawal")
@access.needs(Action.PUBLISH)
def review_withdrawal(article_id: int) -> Response:
    """What withdrawing would touch; afterwards, what it touched."""
    return _withdrawal(article_id)


@blueprint.post("/withdrawal")
@access.needs(Action.PUBLISH)
def withdraw(article_id: int) -> Response:
    """Withdraw an article: no issue that has not left brings it."""
    visitor = access.visitor()
    hand = Hand(visitor.address, visitor.editor_id)
    try:
        found = corrections.withdraw(article_id, reason=request.form.get("reason", ""), hand=hand)
    except errors.BadInput as error:
        return _withdrawal(article_id, wrong=error.message, status=422)
    except errors.Conflict as error:
        return _withdrawal(article_id, error.message, status=409)
    told = f"The article is withdrawn. {_what_waits(found)}".strip()
    waiting = [each.issue.id for each in found if each.state in corrections.STOPPED]
    db.session.commit()
    # The one issue that needs an answer now is where the editor goes on.
    address = (
        url_for("desk_issue.show", issue_id=waiting[0])
        if len(waiting) == 1
        else url_for(".review_withdrawal", article_id=article_id)
    )
    return answers.see_other(address, told=told)


@blueprint.post("/issues/<int:issue_id>/note")
@access.needs(Action.EDIT)
def begin_note(article_id: int, issue_id: int) -> Response:
    """Open the note to those who had it in this issue, to be worded, counted, approved and sent."""
    visitor = access.visitor()
    try:
        note = notes.write(article_id, issue_id, Hand(visitor.address, visitor.editor_id))
    except errors.Conflict as error:
        return _one(article_id, {"": error.message}, status=409)
    note_id = note.id
    db.session.commit()
    return answers.see_other(url_for("desk_issue.show", issue_id=note_id, _anchor="words"))


@blueprint.get("/issues/<int:issue_id>/reach")
@access.needs(Action.LOOK)
def reach(article_id: int, issue_id: int) -> str:
    """Who had it with an issue, who has not yet: a fragment, because counting a million takes a moment."""
    article, issue = catalogue.get(article_id), agenda.get(issue_id)
    return render_template("admin/_reach.html", reach=amending.reach(issue, article.id))


def typed_words() -> Words:
    """What a form says of an article's words."""
    return Words(**_typed(*_WORDS))


def typed_place() -> Place:
    """What a form says of an article's topics, rank, counters and picture; raises BadInput."""
    given = request.form
    main, chosen = given.get("main", ""), given.getlist("topics")
    # The main topic is one of the article's, whether it was ticked as well or not.
    topics_ = [main, *(slug for slug in chosen if slug != main)] if main else chosen
    return Place(
        tuple(topics_),
        _number("priority") or 0,
        given.get("evergreen") == "yes",
        _number("hypes"),
        _number("comments"),
        given.get("picture_url", "").strip(),
    )


def _typed(*names: str) -> dict[str, str]:
    return {name: request.form.get(name, "").replace("\r\n", "\n") for name in names}


def _number(name: str) -> int | None:
    text = request.form.get(name, "").strip().replace(",", "")
    if not text:
        return None
    try:
        return int(text[:20])
    except ValueError:
        raise errors.BadInput("Please write a whole number.", field=name) from None


def _image(article: Article, label: str) -> digest.Image | None:
    found = pictures.address(article.picture, label)
    alt = wording.plain(request.args.get("picture_alt", article.picture_alt))
    return digest.Image(*found, alt) if found else None


def _check_may_change(article_id: int) -> None:
    is_out = any(each.state != "draft" for each in corrections.touched(article_id))
    if is_out and not access.visitor().may(Action.PUBLISH):
        raise errors.Refused("It stands in an issue that is approved or sent. An editor corrects it from here on.")


def _what_waits(found: list[Touched]) -> str:
    names = [each.name for each in found if each.state in corrections.STOPPED]
    if not names:
        return ""
    return f"{', '.join(names)} {'waits' if len(names) == 1 else 'wait'} for you."


def _seen() -> datetime | None:
    try:
        return datetime.fromisoformat(request.form.get("seen", ""))
    except ValueError:
        return None


def _withdrawal(article_id: int, problem: str = "", *, wrong: str = "", status: int = 200) -> Response:
    db.session.rollback()
    with db.reading():
        article = catalogue.get(article_id)
        shown = render_template(
            "admin/withdraw.html",
            article=article,
            touched=corrections.touched(article.id),
            reach=_asked_reach(article),
            reason=request.form.get("reason", ""),
            problem=problem,
            wrong=wrong,
        )
    return make_response(shown, status)


def _asked_reach(article: Article) -> dict[int, amending.Reach]:
    """Without script the counts come with the page, for the one issue they were asked of."""
    issue_id = request.args.get("reach", type=int)
    return {issue_id: amending.reach(agenda.get(issue_id), article.id)} if issue_id else {}


def _one(
    article_id: int,
    problems: dict[str, str] | None = None,
    *,
    typed: dict[str, Any] | None = None,
    status: int = 200,
) -> Response:
    db.session.rollback()
    security.allow("frame-src", "'self'")
    problems = problems or {}
    with db.reading():
        article = catalogue.get(article_id)
        touched = corrections.touched(article.id)
        is_out = any(each.state != "draft" for each in touched)
        shown = render_template(
            "admin/article.html",
            article=article,
            typed=typed or _words_of(article),
            touched=touched,
            may_change=access.visitor().may(Action.PUBLISH if is_out else Action.EDIT),
            reach=_asked_reach(article),
            place=placing.of(article),
            sources=catalogue.sources(article),
            topics=topics.all(),
            put=request.form if request.endpoint == "desk_article.put" else {},
            history=audit.of(f"article {article.id}", limit=12),
            problems={name: said for name, said in problems.items() if name},
            problem=problems.get("", ""),
        )
    return make_response(shown, status)


def _words_of(article: Article) -> dict[str, str]:
    return {
        "headline": article.headline,
        "dek": article.dek,
        "url": article.url,
        "picture_alt": article.picture_alt,
        "body": article.body_markdown,
        "reason": "",
    }
