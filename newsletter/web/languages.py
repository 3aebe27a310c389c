"""Which language a page of ours speaks: asked for in the address, the reader's own, or the browser's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, g, request
from jinja2.ext import i18n

from newsletter import db
from newsletter.audience.models import Subscriber
from newsletter.languages import speech
from newsletter.publication import languages

_FIELD = "language"


def init_app(app: Flask) -> None:
    """Let templates speak: _("..."), ngettext and {% trans %}."""
    app.jinja_env.add_extension(i18n)
    install: Any = app.jinja_env
    install.install_gettext_callables(
        lambda message: speech.translations(spoken()).ugettext(message),
        lambda one, many, number: speech.translations(spoken()).ungettext(one, many, number),
        newstyle=True,
    )
    app.after_request(_mark)
    app.teardown_request(_forget)


def spoken() -> str:
    """The language of this answer."""
    if "language" not in g:
        g.language = _asked_for()
    found: str = g.language
    return found


def speak(language: str) -> None:
    """Make this answer speak a reader's language, unless another was asked for in the address."""
    wanted, known = request.args.get(_FIELD, ""), languages.offered()
    g.language = next((each for each in (wanted, language) if each in known), known[0])


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language in a part of an answer, offered already or not."""
    before = g.pop("language", None)
    g.language = language
    try:
        yield
    finally:
        g.pop("language", None)
        if before is not None:
            g.language = before


def speak_to(subscriber_id: int) -> None:
    """Make this answer speak the language of a reader, if we know one of that id."""
    reader = db.session.get(Subscriber, subscriber_id)
    if reader is not None:
        speak(reader.language)


def speak_without_database() -> None:
    """Settle on the browser's language where the database may not be asked."""
    if "language" not in g:
        g.language = request.accept_languages.best_match(speech.codes()) or speech.OWN


def say(message: str, /, **values: object) -> str:
    """A sentence in the language of this answer."""
    return speech.say(message, spoken(), **values)


def _asked_for() -> str:
    known = languages.offered()
    wanted = request.args.get(_FIELD, "")
    if wanted in known:
        return wanted
    g.is_by_browser = len(known) > 1
    return request.accept_languages.best_match(known) or known[0]


def _mark(response: Response) -> Response:
    if "language" in g and response.mimetype in ("text/html", "application/atom+xml"):
        response.headers["Content-Language"] = g.language
    if g.get("is_by_browser"):
        response.vary.add("Accept-Language")
    return response


def _forget(_error: BaseException | None) -> None:
    g.pop("language", None)
    g.pop("is_by_browser", None)
