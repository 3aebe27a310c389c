"""Proof that a form was ours and sent by the person in front of it (CSRF)."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import request

from newsletter import errors, settings, signing

FIELD = "csrf"
_PURPOSE, _ANONYMOUS = "csrf", "csrf-anonymous"
_LIFETIME = timedelta(hours=12)
_MESSAGE = (
    "This form was not sent from here, or you have logged in again since. Go back, load the page again and retry."
)


def token(session_id: int) -> str:
    """The token every form of this session carries."""
    return signing.sign(_PURPOSE, session_id)


def anonymous_token() -> str:
    """The token of a form shown before login."""
    return signing.sign_dated(_ANONYMOUS, "")


def check(session_id: int) -> None:
    """Refuse a request that does not come from this session's own pages: raises Refused."""
    check_origin()
    try:
        if signing.read(_PURPOSE, request.form.get(FIELD, "")) == session_id:
            return
    except errors.BadToken:
        pass
    raise errors.Refused(_MESSAGE)


def check_anonymous() -> None:
    """Refuse a form before login that is not ours: raises Refused."""
    check_origin()
    try:
        signing.read_dated(_ANONYMOUS, request.form.get(FIELD, ""), lifetime=_LIFETIME)
    except errors.BadToken:
        raise errors.Refused(_MESSAGE) from None


def check_origin() -> None:
    """Refuse what a browser says comes from another site: raises Refused."""
    # Sec-Fetch-Site is asked first: Origin is "null" on pages with Referrer-Policy: no-referrer (Fetch 3.2.7).
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site != "same-origin":
            raise errors.Refused(_MESSAGE)
        return
    origin = request.headers.get("Origin")
    if origin is not None and origin not in (_origin(settings.current().base_url), _origin(request.url)):
        raise errors.Refused(_MESSAGE)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
