"""Coming in and going out."""

from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.staff import sessions
from newsletter.staff.roles import Action
from newsletter.web.admin import access, forgery

blueprint = Blueprint("desk_login", __name__, url_prefix="/admin")


@blueprint.get("/login")
@access.open_to_all
def show() -> Response:
    """The form."""
    return _page()


@blueprint.post("/login")
@access.open_to_all
def log_in() -> Response:
    """Start a new session, whatever session there was."""
    forgery.check_anonymous()
    try:
        cookie = sessions.log_in(
            request.form.get("address", ""),
            request.form.get("password", ""),
            agent=request.user_agent.string,
            source_address=request.remote_addr or "",
        )
    except errors.BadInput as error:
        db.session.rollback()
        return _page(error.message, status=422)
    except errors.Refused as error:
        db.session.rollback()
        response = _page(error.message, status=429)
        response.headers["Retry-After"] = "900"
        return response
    _end_present_session()
    db.session.commit()
    response = redirect(_wanted(), code=303)
    access.give_cookie(response, cookie)
    return response


@blueprint.post("/logout")
@access.needs(Action.LOOK)
def log_out() -> Response:
    """End this session, or every one of this editor."""
    if request.form.get("everywhere") == "yes":
        sessions.end_all(access.visitor().editor_id)
    _end_present_session()
    db.session.commit()
    response = redirect(url_for("desk_login.show"), code=303)
    access.take_cookie(response)
    return response


def _page(problem: str = "", *, status: int = 200) -> Response:
    page = render_template(
        "admin/login.html",
        csrf=forgery.anonymous_token(),
        wanted=request.values.get("next", ""),
        address=request.form.get("address", ""),
        problem=problem,
    )
    return make_response(page, status)


def _end_present_session() -> None:
    session = sessions.find(request.cookies.get(access.cookie_name(), ""))
    if session is not None:
        sessions.end(session)


def _wanted() -> str:
    # Only a place on the desk: never another site, however it is spelled.
    wanted = request.form.get("next", "")
    parts = urlsplit(wanted)
    is_ours = not parts.scheme and not parts.netloc and (parts.path + "/").startswith("/admin/") and "\\" not in wanted
    return wanted if is_ours and wanted.isprintable() else url_for("desk_today.show")
