"""The one-time link: an editor chooses a password and is in."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors, settings
from newsletter.staff import audit, editors, sessions, totp
from newsletter.web import security
from newsletter.web.admin import access, forgery

blueprint = Blueprint("desk_setup", __name__, url_prefix="/admin/setup")


@blueprint.get("/<token>")
@access.open_to_all
@security.private
def show(token: str) -> Response:
    """The form; looking at it uses nothing up."""
    return _page(token)


@blueprint.post("/<token>")
@access.open_to_all
@security.private
def set_password(token: str) -> Response:
    """Keep the password, use the link up, end older sessions and start one."""
    forgery.check_anonymous()
    try:
        editor = editors.set_password(token, request.form.get("password", ""))
    except errors.BadInput as error:
        db.session.rollback()
        return _page(token, error.message, status=422)
    except errors.BadToken:
        db.session.rollback()
        return _page(token)
    audit.record(editor.address, "password_set", f"editor {editor.id}", editor_id=editor.id)
    if totp.is_on(editor.id):
        # The link stands for the password alone: the code is still asked for.
        db.session.commit()
        return redirect(url_for("desk_login.show"), code=303)
    cookie = sessions.start(editor, agent=request.user_agent.string, source_address=request.remote_addr or "")
    db.session.commit()
    response = redirect(url_for("desk_today.show"), code=303)
    access.give_cookie(response, cookie)
    return response


def _page(token: str, problem: str = "", *, status: int = 200) -> Response:
    try:
        editor = editors.open_setup(token)
    except errors.BadToken as error:
        return make_response(render_template("admin/setup_refused.html", problem=error.message), 404)
    page = render_template(
        "admin/setup.html",
        csrf=forgery.anonymous_token(),
        editor=editor,
        shortest=settings.current().password_length,
        problem=problem,
    )
    return make_response(page, status)
