"""Who may do what on the desk: every page of /admin passes here first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import errors, settings
from newsletter.staff import roles, sessions
from newsletter.staff.models import Role
from newsletter.staff.roles import Action
from newsletter.web.admin import forgery

blueprint = Blueprint("desk_access", __name__)
View = TypeVar("View", bound=Callable[..., Any])

# An INTEGER of PostgreSQL. Messages have larger ones, but no page of the desk names one by it.
_LARGEST_ID = 2**31 - 1
_SAFE = ("GET", "HEAD", "OPTIONS")
_ROLES = {Role.WRITER: "a writer", Role.EDITOR: "an editor", Role.PUBLISHER: "a publisher", Role.ADMIN: "an admin"}


@dataclass(frozen=True)
class Visitor:
    """The logged-in editor of this request, as plain values that outlive a transaction."""

    session_id: int
    editor_id: int
    address: str
    name: str
    role: Role

    def may(self, action: str) -> bool:
        """Whether their role allows this action."""
        return roles.allows(self.role, Action(action))


def needs(action: Action) -> Callable[[View], View]:
    """Mark a view with the action its visitor must be allowed."""

    def mark(view: View) -> View:
        view.needs = action  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: View) -> View:
    """Mark a view that is reached before login."""
    view.needs = None  # type: ignore[attr-defined]
    return view


def visitor() -> Visitor:
    """The editor whose request this is; raises Refused outside a login."""
    found: Visitor | None = g.get("visitor")
    if found is None:
        raise errors.Refused("Please log in first.")
    return found


def cookie_name() -> str:
    """__Host- binds the cookie to this host and to https; browsers refuse it over http."""
    return "__Host-session" if settings.current().is_secure else "session"


def give_cookie(response: AnyResponse, cookie: str) -> None:
    """Put the session's cookie into an answer."""
    response.set_cookie(
        cookie_name(), cookie, httponly=True, samesite="Lax", secure=settings.current().is_secure, path="/"
    )


def take_cookie(response: AnyResponse) -> None:
    """Take the session's cookie back."""
    response.delete_cookie(cookie_name(), httponly=True, samesite="Lax", secure=settings.current().is_secure, path="/")


def is_desk() -> bool:
    """Whether this request is for a page of the desk."""
    return request.url_rule is not None and (request.url_rule.rule + "/").startswith("/admin/")


@blueprint.before_app_request
def guard() -> AnyResponse | None:
    """Let a request for the desk through, or send it to the login; a page nobody classified does not exist."""
    if not is_desk():
        return None
    view = current_app.view_functions[request.endpoint or ""]
    if not hasattr(view, "needs"):
        abort(404)
    if not _can_be_asked():
        abort(400)
    g.visitor = _recognise()
    if view.needs is None:
        return None
    if g.visitor is None:
        return _to_login()
    if request.method not in _SAFE:
        forgery.check(g.visitor.session_id)
    if not g.visitor.may(view.needs):
        raise errors.Refused(f"You are {_ROLES[g.visitor.role]} here, and this needs {_who_may(view.needs)}.")
    return None


@blueprint.after_app_request
def keep_private(response: Response) -> Response:
    """Nothing of the desk is kept by a cache."""
    if is_desk():
        response.headers["Cache-Control"] = "no-store"
    return response


def _can_be_asked() -> bool:
    """Whether a database can hold what is asked: no NUL (PostgreSQL has none in a text), no number beyond any id."""
    parts = list((request.view_args or {}).values())
    numbers = [part for part in parts if isinstance(part, int)]
    numbers += [request.args.get(name, 0, type=int) for name in ("before", "after")]
    texts = [part for part in parts if isinstance(part, str)]
    texts += [text for given in (request.args, request.form) for _, values in given.lists() for text in values]
    return all(number <= _LARGEST_ID for number in numbers) and not any("\0" in text for text in texts)


def _recognise() -> Visitor | None:
    cookie = request.cookies.get(cookie_name(), "")
    session = sessions.find(cookie) if cookie else None
    if session is None:
        return None
    editor = session.editor
    found = Visitor(session.id, editor.id, editor.address, editor.name or editor.address, editor.role)
    sessions.touch(session)
    return found


def _to_login() -> AnyResponse:
    # Only a page that can be shown again is worth coming back to.
    wanted = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else None
    return redirect(url_for("desk_login.show", next=wanted if wanted != "/admin" else None), code=303)


def _who_may(action: Action) -> str:
    return _ROLES[next(role for role in Role if roles.allows(role, action))]
