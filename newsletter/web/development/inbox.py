"""The local inbox, in development only: the mails that would have left this machine."""

import re

from flask import Blueprint, Response, render_template, request

from newsletter import errors
from newsletter.web import security
from newsletter.web.development import mailfolder
from newsletter.web.development.mailfolder import Letter

blueprint = Blueprint("inbox", __name__, url_prefix="/inbox")

_TABS = {"html": "HTML", "text": "Text", "headers": "Headers", "source": "Source"}
# A mail may draw its pictures and use its own styles, nothing else; what its links open is an ordinary page again.
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
_MAIL_POLICY = (
    f"sandbox {_SANDBOX}; default-src 'none'; img-src * data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)


@blueprint.get("")
def show() -> str:
    """The list of mails, newest first; ?q= searches addresses and subjects."""
    words = request.args.get("q", "").strip()[:200]
    found = mailfolder.listing(words=words, page=request.args.get("page", 1, type=int))
    return render_template("development/inbox.html", found=found, words=words)


@blueprint.get("/<name>")
def show_letter(name: str) -> str:
    """One mail, under one of its tabs."""
    letter = mailfolder.letter(name)
    tabs = {tab: title for tab, title in _TABS.items() if _has(letter, tab)}
    chosen = request.args.get("show", next(iter(tabs)))
    if chosen not in tabs:
        raise errors.NotFound("This mail has no such part.")
    security.allow("frame-src", "'self'")
    return render_template("development/letter.html", letter=letter, tabs=tabs, chosen=chosen, sandbox=_SANDBOX)


@blueprint.get("/<name>/html")
def show_html(name: str) -> Response:
    """The HTML part alone, shut into a sandbox; its links open in a new tab."""
    html = mailfolder.letter(name).html
    page = re.sub(r"(<head\b[^>]*>)", r'\1<base target="_blank">', html, count=1, flags=re.IGNORECASE)
    response = Response(page if page != html else f'<base target="_blank">{html}', mimetype="text/html")
    response.headers["Content-Security-Policy"] = _MAIL_POLICY
    security.allow("frame-ancestors", "'self'")
    return response


@blueprint.get("/<name>/source")
def download(name: str) -> Response:
    """The file as it was handed over."""
    response = Response(mailfolder.letter(name).source, mimetype="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _has(letter: Letter, tab: str) -> bool:
    return tab in ("headers", "source") or bool(letter.html if tab == "html" else letter.text)
