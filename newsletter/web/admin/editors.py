"""The people who work here: invited by link, given a role, helped when a phone is lost, let go."""

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, settings
from newsletter.staff import audit, editors, entrance, totp
from newsletter.staff.models import Editor, Role
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_editors", __name__, url_prefix="/admin/editors")


@blueprint.get("")
@access.needs(Action.STAFF)
def show() -> Response:
    """The list."""
    return _page()


@blueprint.post("")
@access.needs(Action.STAFF)
@access.after_proof()
@security.private
def invite() -> Response:
    """Add an editor and show their one-time link, this once."""
    try:
        if editors.find(request.form.get("address", "")) is not None:
            raise errors.BadInput("This person works here already. Use New link beside the name.", field="address")
        editor, token = editors.add(request.form.get("address", ""), _role(), name=request.form.get("name", ""))
    except errors.BadInput as error:
        db.session.rollback()
        return _page(error.message, status=422)
    _note("editor invited", editor, after={"role": editor.role.value})
    return _page(link=_link(token), invited=editor.address)


@blueprint.post("/<int:editor_id>/link")
@access.needs(Action.STAFF)
@access.after_proof()
@security.private
def renew_link(editor_id: int) -> Response:
    """A new one-time link: older ones stop working."""
    editor, token = editors.add(editors.get(editor_id).address, Role.WRITER)
    _note("editor's link renewed", editor)
    return _page(link=_link(token), invited=editor.address)


@blueprint.post("/<int:editor_id>/role")
@access.needs(Action.STAFF)
@access.after_proof()
def change_role(editor_id: int) -> Response:
    """Give an editor another role; their sessions end."""
    editor = editors.get(editor_id)
    before = editor.role.value
    try:
        editors.change_role(editor, _role(), by=access.visitor().editor_id)
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        return _page(error.message, status=409)
    address, role = editor.address, editor.role.value
    _note("editor's role changed", editor, before={"role": before}, after={"role": role})
    return answers.see_other(url_for(".show"), told=f"{address} is {role} now.")


@blueprint.post("/<int:editor_id>/departure")
@access.needs(Action.STAFF)
@access.after_proof()
def let_go(editor_id: int) -> Response:
    """End an editor's access at once."""
    editor = editors.get(editor_id)
    try:
        editors.deactivate(editor, by=access.visitor().editor_id)
    except errors.Conflict as error:
        db.session.rollback()
        return _page(error.message, status=409)
    address = editor.address
    _note("editor let go", editor, before={"active": True}, after={"active": False})
    return answers.see_other(url_for(".show"), told=f"{address} cannot log in any more.")


@blueprint.post("/<int:editor_id>/two-step/reset")
@access.needs(Action.STAFF)
@access.after_proof()
def reset_codes(editor_id: int) -> Response:
    """Take a colleague's two-step login away, as when a phone is lost; they are told."""
    editor, visitor = editors.get(editor_id), access.visitor()
    try:
        entrance.reset_codes(editor, by=visitor.address)
    except errors.Conflict as error:
        db.session.rollback()
        return _page(error.message, status=409)
    address = editor.address
    _note("editor's two-step login reset", editor, before={"on": True}, after={"on": False})
    return answers.see_other(
        url_for(".show"), told=f"{address} logs in with the password alone until it is set up again."
    )


def _note(
    action: str, editor: Editor, *, before: dict[str, object] | None = None, after: dict[str, object] | None = None
) -> None:
    visitor = access.visitor()
    audit.record(
        visitor.address, action, f"editor {editor.id}", before=before, after=after, editor_id=visitor.editor_id
    )
    db.session.commit()


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise errors.BadInput("Please choose a role.", field="role") from None


def _link(token: str) -> str:
    return f"{settings.current().base_url}{url_for('desk_setup.show', token=token)}"


def _page(problem: str = "", *, status: int = 200, link: str = "", invited: str = "") -> Response:
    with db.reading():
        page = render_template(
            "admin/editors.html",
            editors=editors.all(),
            with_codes=totp.who_has(),
            links=editors.open_links(),
            roles=list(Role),
            lifetime=settings.current().setup_lifetime,
            link=link,
            invited=invited,
            typed=request.form,
            problem=problem,
        )
    return make_response(page, status)
