"""Who may do what on the desk: every page of /admin passes here first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import errors, settings
from newsletter.staff import roles, sessions, totp
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
    is_proved: bool
    """Whether they have shown lately that it is still them, as dangerous acts want."""
    owes_codes: bool
    """Whether their role needs two-step login and they have not set it up: nothing else is open to them."""

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


def before_codes(view: View) -> View:
    """Mark a view that stays open to who has yet to set up two-step login."""
    view.before_codes = True  # type: ignore[attr-defined]
    return view


def after_proof(asks: Callable[[], bool] = lambda: True) -> Callable[[View], View]:
    """Mark a view that does something dangerous: its visitor shows first that it is still them, where `asks` says so.

    What a form held is kept meanwhile, but for files and passwords: see proving.
    """

    def mark(view: View) -> View:
        view.asks_for_proof = asks  # type: ignore[attr-defined]
        return view

    return mark


def takes(setting: str) -> Callable[[View], View]:
    """Mark a view that takes a larger body than others, up to this setting, from a visitor who may send it."""

    def mark(view: View) -> View:
        view.takes = setting  # type: ignore[attr-defined]
        return view

    return mark


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


def place_on_desk(wanted: str) -> str:
    """A place on the desk somebody wants to come back to, or Today: never another site, however it is spelled."""
    parts = urlsplit(wanted)
    is_ours = not parts.scheme and not parts.netloc and (parts.path + "/").startswith("/admin/") and "\\" not in wanted
    return wanted if is_ours and wanted.isprintable() else url_for("desk_today.show")


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
    g.visitor = _recognise()
    _make_room(view)
    if not _can_be_asked():
        abort(400)
    if view.needs is None:
        return None
    if g.visitor is None:
        return _to_login()
    if request.method not in _SAFE:
        forgery.check(g.visitor.session_id)
    if not g.visitor.may(view.needs):
        raise errors.Refused(f"You are {_ROLES[g.visitor.role]} here, and this needs {_who_may(view.needs)}.")
    if g.visitor.owes_codes and not hasattr(view, "before_codes"):
        return redirect(url_for("desk_two_step.show"), code=303)
    return None


@blueprint.after_app_request
def keep_private(response: Response) -> Response:
    """Nothing of the desk is kept by a cache."""
    if is_desk():
        response.headers["Cache-Control"] = "no-store"
    return response


def _make_room(view: Any) -> None:
    """Let a large file in, before anything of the body is read, where it is asked for and its sender may send it."""
    if hasattr(view, "takes") and g.visitor is not None and g.visitor.may(view.needs):
        request.max_content_length = getattr(settings.current(), view.takes)


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
    found = Visitor(
        session_id=session.id,
        editor_id=editor.id,
        address=editor.address,
        name=editor.name or editor.address,
        role=editor.role,
        is_proved=sessions.is_proved(session),
        owes_codes=totp.is_required(editor.role) and not totp.is_on(editor.id),
    )
    sessions.touch(session)
    return found


def _to_login() -> AnyResponse:
    # Only a page that can be shown again is worth coming back to.
    wanted = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else None
    return redirect(url_for("desk_login.show", next=wanted if wanted != "/admin" else None), code=303)


def _who_may(action: Action) -> str:
    return _ROLES[next(role for role in Role if roles.allows(role, action))]
