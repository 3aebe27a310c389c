"""Headers, body limits and host checks on every answer."""

import ipaddress
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from newsletter import settings

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}
P = ParamSpec("P")
R = TypeVar("R")
_FRAME_OPTIONS = {"'none'": "DENY", "'self'": "SAMEORIGIN"}


def init_app(app: Flask) -> None:
    """Guard every route of the application."""
    present = settings.current()
    app.config["MAX_CONTENT_LENGTH"] = present.request_bytes
    if not present.is_development:
        # Health checks ask on the machine itself; links are built from the base URL alone, whatever a Host header says.
        app.config["TRUSTED_HOSTS"] = [urlsplit(present.base_url).hostname, "localhost", "127.0.0.1", "[::1]"]
    networks = [ipaddress.ip_network(network) for network in present.trusted_proxies]
    app.wsgi_app = _Proxied(app.wsgi_app, networks)  # type: ignore[method-assign]  # Flask's own way to wrap
    app.after_request(_guard)
    app.teardown_request(_forget)


def private(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view whose address or answer is for one person: not stored, and its address told to no other site."""

    @wraps(view)
    def marked(*args: P.args, **kwargs: P.kwargs) -> R:
        g.is_private = True
        return view(*args, **kwargs)

    marked.is_private = True  # type: ignore[attr-defined]  # for the test that asks every route with a token
    return marked


def allow(directive: str, value: str) -> None:
    """Loosen the content security policy of this one answer: allow("frame-src", "'self'")."""
    g.policy = {**g.get("policy", POLICY), directive: value}


def _guard(response: Response) -> Response:
    policy = g.get("policy", POLICY)
    headers = response.headers
    headers.setdefault("Content-Security-Policy", "; ".join(f"{name} {value}" for name, value in policy.items()))
    headers["X-Content-Type-Options"] = "nosniff"
    if policy["frame-ancestors"] in _FRAME_OPTIONS:
        headers.setdefault("X-Frame-Options", _FRAME_OPTIONS[policy["frame-ancestors"]])
    # A refused request may have carried a token in an address that no view was found for.
    is_quiet = g.get("is_private") or response.status_code >= 400
    headers["Referrer-Policy"] = "no-referrer" if is_quiet else "strict-origin-when-cross-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
    if settings.current().is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    _set_caching(response)
    return response


def _forget(_error: BaseException | None) -> None:
    # A context that outlives the request (a command's, a test's) must not carry one answer's marks to the next.
    g.pop("is_private", None)
    g.pop("policy", None)


def _set_caching(response: Response) -> None:
    if g.get("is_private") or response.status_code >= 400 or request.method not in ("GET", "HEAD"):
        response.headers["Cache-Control"] = "no-store"
    elif request.endpoint == "static" and "v" in request.args:
        # The address carries a digest of the content: see theme.asset.
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"


class _Proxied:
    """Believes X-Forwarded-For and -Proto, but only from the proxies an operator named."""

    def __init__(self, application: Any, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> None:
        self._application = application
        self._networks = networks

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._is_trusted(environ.get("REMOTE_ADDR", "")):
            environ["REMOTE_ADDR"] = self._client(environ)
            if environ.get("HTTP_X_FORWARDED_PROTO") in ("http", "https"):
                environ["wsgi.url_scheme"] = environ["HTTP_X_FORWARDED_PROTO"]
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer

    def _client(self, environ: dict[str, Any]) -> str:
        """The last address that no trusted proxy has, read from the right: what stands left of it may be invented."""
        client = str(environ["REMOTE_ADDR"])
        for hop in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            if not _is_address(hop.strip()):
                break
            client = hop.strip()
            if not self._is_trusted(client):
                break
        return client

    def _is_trusted(self, address: str) -> bool:
        return _is_address(address) and any(ipaddress.ip_address(address) in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
