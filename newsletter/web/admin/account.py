"""One's own account: name, password, sessions, and which newsletters one is told about."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, settings
from newsletter.audience import agents
from newsletter.publication import newsletters
from newsletter.staff import audit, editors, entrance, following, recovery, sessions, totp, warnings
from newsletter.staff.models import EditorSession
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_account", __name__, url_prefix="/admin/account")


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The page."""
    return _page()


@blueprint.post("/name")
@access.needs(Action.LOOK)
def rename() -> Response:
    """Take another name."""
    editor = editors.get(access.visitor().editor_id)
    before = editor.name
    try:
        editors.rename(editor, request.form.get("name", ""))
    except errors.BadInput as error:
        return _page(error)
    _note("editor renamed", before={"name": before}, after={"name": editor.name})
    return answers.see_other(url_for(".show"), told="Your name is saved.")


@blueprint.post("/password")
@access.needs(Action.LOOK)
def change_password() -> Response:
    """Take another password, knowing the present one; every other session ends."""
    visitor = access.visitor()
    try:
        _check_present(request.form.get("present", ""))
        editor = editors.change_password(
            visitor.editor_id, request.form.get("password", ""), besides=visitor.session_id
        )
    except (errors.BadInput, errors.Refused) as error:
        return _page(error)
    warnings.tell_of_password(editor)
    _note("password changed")
    return answers.see_other(url_for(".show"), told="Your password is changed. Your other sessions have ended.")


@blueprint.post("/sessions/<int:session_id>/end")
@access.needs(Action.LOOK)
def end_session(session_id: int) -> Response:
    """End one of one's sessions."""
    visitor = access.visitor()
    sessions.end_one(visitor.editor_id, session_id)
    _note("session ended", before={"session": session_id})
    return answers.see_other(url_for(".show") + "#sessions", told="That session has ended.")


@blueprint.post("/sessions/end")
@access.needs(Action.LOOK)
def end_other_sessions() -> Response:
    """End all of one's sessions but this one."""
    visitor = access.visitor()
    ended = sessions.end_others(visitor.editor_id, visitor.session_id)
    _note("other sessions ended", before={"sessions": ended})
    return answers.see_other(url_for(".show") + "#sessions", told="You are logged in here only.")


@blueprint.post("/newsletters")
@access.needs(Action.LOOK)
def follow() -> Response:
    """Choose which newsletters one is told about."""
    editor_id = access.visitor().editor_id
    before = sorted(following.followed(editor_id))
    following.follow(editor_id, request.form.getlist("newsletter"))
    _note("followed newsletters changed", before={"follows": before}, after={"follows": _followed(editor_id)})
    return answers.see_other(url_for(".show") + "#following", told="Your choice is saved.")


def _check_present(password: str) -> None:
    try:
        entrance.check_password(editors.get(access.visitor().editor_id), password)
    except errors.BadInput as error:
        raise errors.BadInput(error.message, field="present") from None


def _followed(editor_id: int) -> list[str]:
    return sorted(following.followed(editor_id))


def _note(action: str, *, before: dict[str, object] | None = None, after: dict[str, object] | None = None) -> None:
    visitor = access.visitor()
    subject = f"editor {visitor.editor_id}"
    audit.record(visitor.address, action, subject, before=before, after=after, editor_id=visitor.editor_id)
    db.session.commit()


def _page(problem: errors.BadInput | errors.Refused | None = None) -> Response:
    db.session.rollback()
    visitor = access.visitor()
    with db.reading():
        page = render_template(
            "admin/account.html",
            editor=editors.get(visitor.editor_id),
            shortest=settings.current().password_length,
            two_step=totp.is_on(visitor.editor_id),
            is_required=totp.is_required(visitor.role),
            codes_left=recovery.left(visitor.editor_id),
            sessions=[_session(each) for each in sessions.of(visitor.editor_id)],
            newsletters=[(each.slug, each.title) for each in newsletters.all()],
            followed=following.followed(visitor.editor_id),
            typed=request.form,
            field=(problem.field or "name") if isinstance(problem, errors.BadInput) else "present",
            said=problem.message if problem else "",
        )
    if problem is None:
        return make_response(page)
    return make_response(page, 422 if isinstance(problem, errors.BadInput) else 429)


def _session(each: EditorSession) -> dict[str, object]:
    """A session in words: which device, and the network it stands in without the part that names a household."""
    return {
        "id": each.id,
        "device": agents.browser(each.agent) or "An unknown browser",
        "network": agents.network(each.source_address),
        "began_at": each.created_at,
        "seen_at": each.seen_at,
        "is_this": each.id == access.visitor().session_id,
    }
