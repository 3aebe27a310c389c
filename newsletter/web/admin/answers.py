"""What every desk page says beside its own matter: who is here, and what was just done.

What was done travels as one signed, short-lived sentence in the address of a redirect."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response

from newsletter import errors, signing
from newsletter.web.admin import access, forgery
from newsletter.web.admin.access import Visitor

blueprint = Blueprint("desk_answers", __name__)
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


@dataclass(frozen=True)
class Desk:
    """What the frame of a page shows."""

    visitor: Visitor
    csrf: str
    told: str


@blueprint.app_context_processor
def _frame() -> dict[str, Any]:
    present: Visitor | None = g.get("visitor")
    return {"desk": Desk(present, forgery.token(present.session_id), told())} if present else {}
