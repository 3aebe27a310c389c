"""Error pages: the sentence of what went wrong, never a traceback."""

from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, SecurityError

from newsletter import db, errors
from newsletter.languages import speech
from newsletter.publication.models import Masthead
from newsletter.web import languages
from newsletter.web.admin import access

log = structlog.get_logger()

_STATUS: dict[type[errors.NewsletterError], int] = {
    errors.BadToken: 404,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Refused: 403,
    errors.BadInput: 400,
    errors.FetchRefused: 400,
}
# Marks what is said later, in the language of the answer.
_ = speech.later
_WORDS = {
    400: (
        _("This was not understood"),
        _("The request was not complete. Please go back and try again."),
    ),
    403: (_("Not allowed"), _("This is not allowed.")),
    404: (
        _("Page not found"),
        _("There is no page at this address. It may have been moved, or the link is not complete."),
    ),
    405: (
        _("This address cannot do that"),
        _("Please open the page again from the mail or the start page."),
    ),
    409: (_("Not possible now"), _("That is not possible in the present state.")),
    413: (_("Too large"), _("What was sent is larger than we accept. Nothing was stored.")),
    415: (
        _("This was not understood"),
        _("The request was not in a form we can read. Nothing was stored."),
    ),
    429: (_("Too many tries"), _("Please wait a little and try again.")),
    500: (
        _("Something went wrong"),
        _("The fault is ours, and we have noted it. Please try again in a few minutes."),
    ),
    503: (
        _("Not available just now"),
        _("Nothing was changed and nothing is lost. Please try again in a few minutes."),
    ),
}


def init_app(app: Flask) -> None:
    """Answer every error of the application with a page."""
    app.config["PROPAGATE_EXCEPTIONS"] = None
    app.register_error_handler(errors.NewsletterError, _tell)
    app.register_error_handler(HTTPException, _tell_http)
    app.register_error_handler(OperationalError, _tell_unavailable)
    app.register_error_handler(500, _tell_http)


def _tell(error: errors.NewsletterError) -> Response:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if status == 500:
        log.error("request_failed", path=request.endpoint, error=type(error).__name__)
    title = _("This link does not work") if isinstance(error, errors.BadToken) else _WORDS[status][0]
    return _page(status, title, error.message)


def _tell_http(error: HTTPException) -> Response:
    if isinstance(error, SecurityError):
        # The Host header is not ours, so no address on a page could be built for it.
        return Response("This address is not served here.\n", 400, mimetype="text/plain")
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    if status >= 500 and (cause := getattr(error, "original_exception", None)):
        log.error("request_failed", endpoint=request.endpoint, exc_info=cause)
    title, sentence = _WORDS.get(status, _WORDS[400 if status < 500 else 500])
    page = _page(status, title, sentence)
    if status == 405 and (allowed := getattr(error, "valid_methods", None)):
        page.headers["Allow"] = ", ".join(sorted(allowed))
    return page


def _tell_unavailable(error: OperationalError) -> Response:
    # The driver's words name the fault (disk full, locked, gone); SQLAlchemy's would print the values as well.
    log.error("database_unavailable", endpoint=request.endpoint, error=str(error.orig))
    page = _page(503, *_WORDS[503])
    page.headers["Retry-After"] = "120"
    return page


def _page(status: int, title: str, sentence: str) -> Response:
    db.session.rollback()
    if status >= 500:
        # The database may be what failed: this page must come out without it.
        languages.speak_without_database()
        g.masthead = Masthead(name="Newsletter", tagline="", language="en", accent="#b3261e", fonts="serif", labels={})
    with db.reading():
        if status < 500 and access.is_desk() and g.get("visitor"):
            page = render_template("admin/error.html", title=title, sentence=sentence, back=_back())
        else:
            page = render_template("public/error.html", title=languages.say(title), sentence=languages.say(sentence))
    return make_response(page, status)


def _back() -> str:
    """The page of the desk that led here, by what the browser says; empty without one."""
    parts = urlsplit(request.referrer or "")
    is_desk = parts.netloc == request.host and (parts.path + "/").startswith("/admin/")
    return f"{parts.path}?{parts.query}" if is_desk and parts.query else parts.path if is_desk else ""
