"""Coming in and going out."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.staff import entrance, sessions
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
    """Start a new session, whatever session there was, or ask for a code first."""
    forgery.check_anonymous()
    try:
        opened = entrance.log_in(
            request.form.get("address", ""),
            request.form.get("password", ""),
            agent=request.user_agent.string,
            source_address=request.remote_addr or "",
        )
    except errors.BadInput as error:
        db.session.rollback()
        return _page(error.message, status=422)
    except errors.Refused as error:
        return _wait(error)
    if isinstance(opened, entrance.Halfway):
        db.session.commit()
        return _code_page(opened.ticket)
    return _open(opened)


@blueprint.post("/login/code")
@access.open_to_all
def log_in_with_code() -> Response:
    """Start a new session with the code of an app, or a recovery code, after the password."""
    forgery.check_anonymous()
    ticket = request.form.get("ticket", "")
    try:
        cookie = entrance.finish(
            ticket,
            request.form.get("code", ""),
            agent=request.user_agent.string,
            source_address=request.remote_addr or "",
        )
    except errors.BadInput as error:
        db.session.rollback()
        return _code_page(ticket, error.message, status=422)
    except errors.BadToken as error:
        db.session.rollback()
        return _page(error.message, status=422)
    except errors.Refused as error:
        return _wait(error)
    return _open(cookie)


@blueprint.post("/logout")
@access.needs(Action.LOOK)
@access.before_codes
def log_out() -> Response:
    """End this session, or every one of this editor."""
    if request.form.get("everywhere") == "yes":
        sessions.end_all(access.visitor().editor_id)
    _end_present_session()
    db.session.commit()
    response = redirect(url_for("desk_login.show"), code=303)
    access.take_cookie(response)
    return response


def _open(cookie: str) -> Response:
    _end_present_session()
    db.session.commit()
    response = redirect(access.place_on_desk(request.form.get("next", "")), code=303)
    access.give_cookie(response, cookie)
    return response


def _wait(error: errors.Refused) -> Response:
    db.session.rollback()
    response = _page(error.message, status=429)
    response.headers["Retry-After"] = "900"
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


def _code_page(ticket: str, problem: str = "", *, status: int = 200) -> Response:
    page = render_template(
        "admin/login_code.html",
        csrf=forgery.anonymous_token(),
        ticket=ticket,
        wanted=request.form.get("next", ""),
        problem=problem,
    )
    return make_response(page, status)


def _end_present_session() -> None:
    session = sessions.find(request.cookies.get(access.cookie_name(), ""))
    if session is not None:
        sessions.end(session)
