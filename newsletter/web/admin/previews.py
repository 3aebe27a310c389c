"""How an issue will look: as mail in the light and in the dark, as text, its headers; to a chosen reader or edition."""

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import db, errors
from newsletter.audience import directory
from newsletter.issues import agenda, counting, lifecycle, previews, trials
from newsletter.issues.models import Issue
from newsletter.issues.previews import Choice
from newsletter.mail import daylight
from newsletter.outbox import suppression
from newsletter.staff import editors
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers, frames

blueprint = Blueprint("desk_previews", __name__, url_prefix="/admin/issues/<int:issue_id>/preview")

VIEWS = {
    "mail": "Desktop",
    "phone": "Phone",
    "dark": "Desktop, dark",
    "phone-dark": "Phone, dark",
    "text": "Text",
    "source": "Headers",
}


@blueprint.get("")
@access.needs(Action.LOOK)
def show(issue_id: int) -> AnyResponse:
    """The page around the mail."""
    return _page(issue_id)


@blueprint.post("/reader")
@access.needs(Action.READERS)
def find_reader(issue_id: int) -> AnyResponse:
    """The same as a reader gets it, whose address is typed; it does not stand in any address of ours."""
    issue = agenda.get(issue_id)
    typed = request.form.get("address", "").strip()
    reader = directory.find(suppression.key_of(typed))
    if reader is None:
        return _page(issue_id, problem="There is no reader of this address.", typed=typed)
    shown: dict[str, Any] = {"issue_id": issue.id, "reader": reader.id, "as": _view()}
    return answers.see_other(url_for(".show", **shown))


@blueprint.post("/test")
@access.needs(Action.EDIT)
def send_test(issue_id: int) -> AnyResponse:
    """Send what is shown to people who work here."""
    db.session.rollback()
    with db.reading():
        issue = agenda.get(issue_id)
        choice = _choice(issue)
        pressed = None if choice.no_mail else trials.press(issue, _topic_ids() or None, choice.profile)
        db.session.rollback()
    if pressed is None:
        raise errors.Conflict(choice.no_mail)
    visitor = access.visitor()
    try:
        sent = trials.send(
            agenda.get(issue_id),
            pressed,
            request.form.getlist("to"),
            actor=visitor.address,
            editor_id=visitor.editor_id,
        )
    except errors.BadInput as error:
        return _page(issue_id, test_problem=error.message)
    told = f"The test goes to {', '.join(test.address for test in sent)}."
    db.session.commit()
    shown: dict[str, Any] = {"issue_id": issue_id, **request.args.to_dict(flat=False)}
    return answers.see_other(url_for(".show", **shown), told=told)


@blueprint.get("/mail")
@access.needs(Action.LOOK)
def mail(issue_id: int) -> Response:
    """The mail's HTML, made harmless: no script, no forms, an origin of its own, framed by us alone."""
    issue = agenda.get(issue_id)
    choice = _choice(issue)
    if choice.no_mail:
        raise errors.NotFound(choice.no_mail)
    rendered = previews.render(issue, _topic_ids() or None, choice.profile)
    return frames.of_mail(daylight.shown(rendered.html, in_the_dark="dark" in _view()))


def _page(issue_id: int, *, problem: str = "", typed: str = "", test_problem: str = "") -> AnyResponse:
    db.session.rollback()
    security.allow("frame-src", "'self'")
    with db.reading():
        issue = agenda.get(issue_id)
        choice, view = _choice(issue), _view()
        profile, topic_ids = choice.profile, _topic_ids() or None
        shown = render_template(
            "admin/preview.html",
            issue=issue,
            state=lifecycle.shown_state(issue),
            view=view,
            views=VIEWS,
            topics=issue.newsletter.topics,
            chosen=sorted(_topic_ids()),
            edition=_edition(),
            editions=[name for name in previews.EDITIONS if name in counting.of(issue).figures],
            reader=_reader_id(),
            no_mail=choice.no_mail,
            rendered=None if choice.no_mail else previews.render(issue, topic_ids, profile),
            headers=_headers(issue, choice) if view == "source" and not choice.no_mail else "",
            problem=problem,
            typed=typed,
            colleagues=[editor.address for editor in editors.all() if editor.is_active],
            test_problem=test_problem,
        )
    return make_response(shown, 422 if problem or test_problem else 200)


def _choice(issue: Issue) -> Choice:
    if reader_id := _reader_id():
        if not access.visitor().may(Action.READERS):
            raise errors.Refused("Only an editor sees what a reader gets.")
        return previews.of_reader(issue, reader_id)
    return previews.of_edition(issue, _edition())


def _headers(issue: Issue, choice: Choice) -> str:
    source = previews.source(issue, _topic_ids() or None, choice.profile)
    return source.split(b"\r\n\r\n", 1)[0].decode().replace("\r\n", "\n")


def _view() -> str:
    asked = request.values.get("as", "mail")
    return asked if asked in VIEWS else "mail"


def _edition() -> str:
    asked = request.args.get("edition", "")
    return asked if asked in previews.EDITIONS else ""


def _reader_id() -> int | None:
    return request.args.get("reader", type=int)


def _topic_ids() -> frozenset[int]:
    return frozenset(request.args.getlist("topic", type=int))
