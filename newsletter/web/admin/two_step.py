"""Two-step login of one's own: turned on with an app's code, recovery codes shown once, turned off."""

import segno
from flask import Blueprint, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.staff import audit, editors, recovery, sessions, totp, warnings
from newsletter.staff.models import Editor
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_two_step", __name__, url_prefix="/admin/account/two-step")


@blueprint.get("")
@access.needs(Action.LOOK)
@access.before_codes
@access.after_proof()
@security.private
def show() -> Response:
    """A new secret as a picture and as text, and where its first code is typed; nothing is stored by looking."""
    if totp.is_on(access.visitor().editor_id):
        return redirect(url_for("desk_account.show", _anchor="two-step"), code=303)
    return _page(totp.offer(_editor()))


@blueprint.post("")
@access.needs(Action.LOOK)
@access.before_codes
@access.after_proof()
@security.private
def turn_on() -> Response:
    """Put the secret in force, end the other sessions, show recovery codes this once."""
    visitor, editor = access.visitor(), _editor()
    try:
        present = totp.offered(editor, request.form.get("sealed", ""))
    except errors.BadInput as error:
        return _page(totp.offer(editor), error)
    try:
        totp.turn_on(editor, present, request.form.get("code", ""))
    except errors.BadInput as error:
        return _page(present, error)
    codes = recovery.make(editor.id)
    sessions.end_others(editor.id, visitor.session_id)
    warnings.tell_of_codes(editor, on=True)
    _note("two-step login turned on", before={"on": False}, after={"on": True})
    return _codes_page(codes, is_new=True)


@blueprint.post("/off")
@access.needs(Action.LOOK)
@access.after_proof()
def turn_off() -> Response:
    """Ask for no code any more; the other sessions end."""
    visitor, editor = access.visitor(), _editor()
    if totp.is_required(visitor.role):
        raise errors.Conflict("Your role needs two-step login here. For another phone, ask an admin to reset it.")
    if totp.turn_off(editor.id):
        recovery.forget(editor.id)
        sessions.end_others(editor.id, visitor.session_id)
        warnings.tell_of_codes(editor, on=False)
        _note("two-step login turned off", before={"on": True}, after={"on": False})
    return answers.see_other(url_for("desk_account.show", _anchor="two-step"), told="Two-step login is off.")


@blueprint.post("/recovery-codes")
@access.needs(Action.LOOK)
@access.after_proof()
@security.private
def make_codes() -> Response:
    """New recovery codes, shown this once; older ones stop working."""
    editor = _editor()
    if not totp.is_on(editor.id):
        raise errors.Conflict("Turn two-step login on first.")
    left = recovery.left(editor.id)
    codes = recovery.make(editor.id)
    _note("recovery codes made anew", before={"left": left}, after={"left": len(codes)})
    return _codes_page(codes, is_new=False)


def _editor() -> Editor:
    return editors.get(access.visitor().editor_id)


def _note(action: str, *, before: dict[str, object], after: dict[str, object]) -> None:
    visitor = access.visitor()
    subject = f"editor {visitor.editor_id}"
    audit.record(visitor.address, action, subject, before=before, after=after, editor_id=visitor.editor_id)
    db.session.commit()


def _page(present: totp.Offer, problem: errors.BadInput | None = None) -> Response:
    page = render_template(
        "admin/two_step.html",
        offer=present,
        picture=_picture(present.uri),
        must=access.visitor().owes_codes,
        said=problem.message if problem else "",
    )
    db.session.rollback()
    return make_response(page, 422 if problem else 200)


def _codes_page(codes: list[str], *, is_new: bool) -> Response:
    return make_response(render_template("admin/recovery_codes.html", codes=codes, is_new=is_new))


def _picture(uri: str) -> Markup:
    drawn = segno.make(uri, error="m", micro=False).svg_inline(omitsize=True, border=4, svgclass="qr", lineclass=None)
    # The library wrote it, from numbers alone: nothing of the address stands in it as text.
    return Markup(drawn)  # noqa: S704
