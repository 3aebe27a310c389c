"""Terms and privacy policy: every version there is, and publishing the next one in one of three ways."""

from datetime import UTC, datetime

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.audience import asking
from newsletter.publication import legal, masthead
from newsletter.publication.models import LegalDocument, LegalKind, LegalWay
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_texts", __name__, url_prefix="/admin/texts")


def _asks_readers() -> bool:
    """Whether the way chosen can stop readers' mail: the others never do."""
    return request.form.get("way") == LegalWay.ASKED


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The versions, and for who may publish, the form."""
    return _page()


@blueprint.get("/readers")
@access.needs(Action.PLAN)
def count() -> str:
    """How many readers new terms would ask, alone: what the page loads beside itself."""
    return f"{asking.count(masthead.current().language):,}"


@blueprint.post("")
@access.needs(Action.PLAN)
@access.after_proof(_asks_readers)
def publish() -> Response:
    """Publish the next version of one of the texts."""
    try:
        document = _publish()
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        return _page(error.message, status=422)
    visitor = access.visitor()
    audit.record(
        visitor.address,
        "text published",
        f"{document.kind.value} {document.version}",
        after={"sha256": document.sha256, "way": document.way.value, "language": document.language},
        editor_id=visitor.editor_id,
    )
    told = f"{document.title}, version {document.version}, is published."
    db.session.commit()
    return answers.see_other(url_for("desk_texts.show"), told=told)


def _publish() -> LegalDocument:
    form, language = request.form, masthead.current().language
    title = form.get("title", "")
    # Browsers send CRLF; the text is kept, and hashed, as it would stand in a file.
    markdown = form.get("markdown", "").replace("\r\n", "\n")
    try:
        kind, way = LegalKind(form.get("kind", "")), LegalWay(form.get("way", ""))
    except ValueError:
        raise errors.BadInput("Please choose the text and how readers learn of it.", field="way") from None
    if legal.wording(language) is None:
        legal.word_consent(legal.DEFAULT_SENTENCE, language)
    if way is not LegalWay.ASKED:
        return legal.publish(kind, title=title, markdown=markdown, language=language, way=way)
    if kind is LegalKind.PRIVACY:
        raise errors.BadInput("A privacy policy is told, never agreed to again.", field="way")
    typed = form.get("readers", "").strip().replace(",", "")
    return asking.publish(
        title=title,
        markdown=markdown,
        language=language,
        ask_by_at=_end_of(form.get("ask_by", "")),
        readers=int(typed) if typed.isdecimal() else None,
    )


def _end_of(day: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{day}T23:59:59").replace(tzinfo=UTC)
    except ValueError:
        raise errors.BadInput("Please choose the day by which readers are to agree.", field="ask_by") from None


def _page(problem: str = "", *, status: int = 200) -> Response:
    language = masthead.current().language
    return make_response(
        render_template(
            "admin/texts.html",
            problem=problem,
            shelves=[(kind.value, legal.versions(kind, language)) for kind in LegalKind],
            # Without script the count comes with the page, when it is asked for.
            readers=asking.count(language) if "count" in request.args else None,
            typed=request.form,
        ),
        status,
    )
