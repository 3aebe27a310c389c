"""Showing again who one is: asked before dangerous acts, which then go on with what was typed."""

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.staff import entrance, totp
from newsletter.staff.roles import Action
from newsletter.web.admin import access, forgery

blueprint = Blueprint("desk_proving", __name__, url_prefix="/admin/proof")
PASSWORD, CODE = "proof_password", "proof_code"
# Never written into a page: our own fields, which the page makes anew, and whatever is a password.
_NOT_KEPT = (forgery.FIELD, PASSWORD, CODE, "password", "present")


@blueprint.before_app_request
def guard() -> Response | None:
    """Let a dangerous act of somebody who has just shown who they are through; else ask, and keep what was typed."""
    view = current_app.view_functions.get(request.endpoint or "")
    asks = getattr(view, "asks_for_proof", None)
    if not access.is_desk() or asks is None or access.visitor().is_proved or not asks():
        return None
    if request.method != "POST":
        return _page(url_for("desk_proving.show_proof"), [("next", _here())], status=200)
    kept = [(name, value) for name, values in request.form.lists() if name not in _NOT_KEPT for value in values]
    if PASSWORD not in request.form and CODE not in request.form:
        return _page(_here(), kept, status=403)
    refused = _prove()
    return _page(_here(), kept, problem=refused.message, status=_status(refused)) if refused else None


@blueprint.post("")
@access.needs(Action.LOOK)
def show_proof() -> Response:
    """Take the proof, and lead to the page it was asked for."""
    refused = _prove()
    if refused:
        kept = [("next", request.form.get("next", ""))]
        return _page(url_for("desk_proving.show_proof"), kept, problem=refused.message, status=_status(refused))
    return redirect(access.place_on_desk(request.form.get("next", "")), code=303)


def _prove() -> errors.BadInput | errors.Refused | None:
    """Why the proof that came with this request is none; None when it is one."""
    given = {"password": request.form.get(PASSWORD, ""), "code": request.form.get(CODE, "")}
    try:
        entrance.prove(access.visitor().session_id, **given)
    except (errors.BadInput, errors.Refused) as error:
        db.session.rollback()
        return error
    return None


def _status(refused: errors.BadInput | errors.Refused) -> int:
    return 422 if isinstance(refused, errors.BadInput) else 429


def _here() -> str:
    return request.full_path.rstrip("?")


def _page(action: str, kept: list[tuple[str, str]], *, problem: str = "", status: int) -> Response:
    db.session.rollback()
    with db.reading():
        page = render_template(
            "admin/proof.html",
            action=action,
            kept=kept,
            with_code=totp.is_on(access.visitor().editor_id),
            said=problem,
        )
    return make_response(page, status)
