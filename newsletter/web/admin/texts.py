"""Terms and privacy policy: every version there is, and publishing the next one in one of three ways."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import clock, db, errors
from newsletter.audience import asking
from newsletter.feedback import growth
from newsletter.languages import speech
from newsletter.mail import words
from newsletter.publication import languages as written
from newsletter.publication import legal, masthead, newsletters
from newsletter.publication.models import LegalDocument, LegalKind, LegalWay
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web import languages
from newsletter.web.admin import access, answers, wording

blueprint = Blueprint("desk_texts", __name__, url_prefix="/admin/texts")


@dataclass(frozen=True)
class _Typed:
    """What the form says, understood."""

    kind: LegalKind
    way: LegalWay
    language: str
    title: str
    markdown: str
    ask_by_at: datetime | None

    def drafted(self) -> LegalDocument:
        """The version it would make; raises BadInput."""
        draft = legal.drafted(
            self.kind,
            title=self.title,
            markdown=self.markdown,
            language=self.language,
            way=self.way,
            ask_by_at=self.ask_by_at,
        )
        latest = legal.before(draft)
        if latest and latest.sha256 == draft.sha256:
            raise errors.BadInput("This is, word for word, the text in force.", field="markdown")
        return draft


class _Unclear(errors.BadInput):
    """Please look at the fields that are marked."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__()
        self.problems = problems


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
    """How many readers new terms would ask, alone: what the page of the review loads beside itself."""
    return wording.number(asking.count(request.args.get("language") or masthead.current().language))


@blueprint.get("/<kind>/<language>/<int:number>")
@access.needs(Action.LOOK)
def show_version(kind: str, language: str, number: int) -> str:
    """One version: what it changed of the one before."""
    if kind not in list(LegalKind):
        raise errors.NotFound("This version was never published.")
    document = legal.version(LegalKind(kind), number, language)
    return render_template(
        "admin/text.html",
        document=document,
        earlier=legal.before(document),
        later=legal.after(document),
        changes=legal.changes(document),
        own_name=speech.own_name(language),
        is_public=language in written.offered(),
    )


@blueprint.post("/review")
@access.needs(Action.PLAN)
def review() -> Response:
    """Show what was typed as readers would see it and what it changes; or the form again, to change it."""
    if request.form.get("do") == "change":
        return _page()
    try:
        typed = _read()
        return _review(typed, typed.drafted())
    except errors.BadInput as error:
        return _page(_problems(error), status=422)


@blueprint.post("")
@access.needs(Action.PLAN)
@access.after_proof(_asks_readers)
def publish() -> Response:
    """Publish the next version of one of the texts, as it was reviewed."""
    try:
        typed = _read()
        draft = typed.drafted()
    except errors.BadInput as error:
        db.session.rollback()
        return _page(_problems(error), status=422)
    if request.form.get("version") != str(draft.version):
        return _review(typed, draft, is_other=bool(request.form.get("version")), status=409)
    try:
        document = _publish(typed)
    except errors.Conflict as error:
        db.session.rollback()
        return _review(typed, draft, problem=error.message, status=409)
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


def _read() -> _Typed:
    form, problems = request.form, {}
    kind, way, language = form.get("kind", ""), form.get("way", ""), form.get("language") or masthead.current().language
    if kind not in list(LegalKind):
        problems["kind"] = "Please choose the text."
    if way not in list(LegalWay):
        problems["way"] = "Please choose how readers learn of it."
    if language not in written.writable():
        problems["language"] = "Please choose a language."
    ask_by_at = _end_of(form.get("ask_by", "")) if way == LegalWay.ASKED else None
    if way == LegalWay.ASKED and ask_by_at is None:
        problems["ask_by"] = "Please choose the day by which readers are to agree."
    for name in ("title", "markdown"):
        if not form.get(name, "").strip():
            problems[name] = f"Please write the {'title' if name == 'title' else 'text'}."
    if problems:
        raise _Unclear(problems)
    # Browsers send CRLF; the text is kept, and hashed, as it would stand in a file.
    markdown = form["markdown"].replace("\r\n", "\n")
    return _Typed(LegalKind(kind), LegalWay(way), language, form["title"], markdown, ask_by_at)


def _end_of(day: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(day), datetime.max.time(), tzinfo=UTC).replace(microsecond=0)
    except ValueError:
        return None


def _problems(error: errors.BadInput) -> dict[str, str]:
    return error.problems if isinstance(error, _Unclear) else {error.field: error.message}


def _publish(typed: _Typed) -> LegalDocument:
    if legal.wording(typed.language) is None:
        legal.word_consent(legal.DEFAULT_SENTENCE, typed.language)
    title, markdown, language = typed.title, typed.markdown, typed.language
    if typed.ask_by_at is None:
        return legal.publish(typed.kind, title=title, markdown=markdown, language=language, way=typed.way)
    number = request.form.get("readers", "").strip().replace(",", "")
    readers = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None
    return asking.publish(title=title, markdown=markdown, language=language, ask_by_at=typed.ask_by_at, readers=readers)


def _review(
    typed: _Typed, draft: LegalDocument, *, problem: str = "", is_other: bool = False, status: int = 200
) -> Response:
    """`is_other`: what was reviewed was to follow another version than the one in force now."""
    told = [each for each in newsletters.all() if each.language == typed.language]
    page = render_template(
        "admin/text_review.html",
        draft=draft,
        earlier=legal.before(draft),
        changes=legal.changes(draft),
        public_page=_as_readers_see_it(draft),
        own_name=speech.own_name(typed.language),
        told=[(each.title, growth.readers(newsletter=each.slug)) for each in told],
        readers=asking.count(typed.language) if request.form.get("do") == "count" else None,
        readers_problem=problem,
        is_other=is_other,
        typed=request.form,
    )
    return make_response(page, status)


def _as_readers_see_it(draft: LegalDocument) -> str:
    with languages.speaking(draft.language):
        return render_template(
            "public/legal.html",
            document=draft,
            versions=[draft, *legal.versions(draft.kind, draft.language)],
            body=legal.to_html(draft.markdown),
            long_date=words.long_date,
        )


def _page(problems: dict[str, str] | None = None, *, status: int = 200) -> Response:
    own = masthead.current().language
    shown = [own, *(code for code in written.written() if code != own)]
    page = render_template(
        "admin/texts.html",
        problems=problems or {},
        shelves=[
            (kind.value, code, speech.own_name(code), legal.versions(kind, code))
            for code in shown
            for kind in LegalKind
        ],
        languages=[(code, speech.own_name(code)) for code in written.writable()],
        own=own,
        today=clock.now().date(),
        typed=request.form,
    )
    return make_response(page, status)
