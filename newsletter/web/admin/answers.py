"""How the desk says that something was done: a redirect whose address carries one signed, short-lived sentence."""

from datetime import timedelta

from flask import redirect, request
from werkzeug.wrappers import Response

from newsletter import errors, signing
from newsletter.web.admin import access

_PURPOSE = "told"
_LIFETIME = timedelta(minutes=1)


def see_other(address: str, told: str = "") -> Response:
    """Redirect to a page of ours, which then shows `told` once to this session."""
    if told:
        token = signing.sign_dated(_PURPOSE, [access.visitor().session_id, told])
        path, hash_, fragment = address.partition("#")
        address = f"{path}{'&' if '?' in path else '?'}told={token}{hash_}{fragment}"
    return redirect(address, code=303)


def told() -> str:
    """The sentence this page was reached with, or nothing."""
    try:
        payload, _age = signing.read_dated(_PURPOSE, request.args.get("told", ""), lifetime=_LIFETIME)
    except errors.BadToken:
        return ""
    session_id, sentence = payload
    return str(sentence) if session_id == access.visitor().session_id else ""
