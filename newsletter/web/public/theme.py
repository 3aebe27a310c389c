"""What every page is dressed in: the masthead, its stylesheet of tokens, and our own style files."""

import functools
import hashlib
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, g, url_for
from werkzeug.local import LocalProxy

from newsletter.languages import speech
from newsletter.mail import links
from newsletter.publication import look, masthead
from newsletter.publication.models import Masthead
from newsletter.web import languages

blueprint = Blueprint("theme", __name__)


@blueprint.get("/theme.css")
def stylesheet() -> Response:
    """The tokens of colour, type and space in the masthead's accent and fonts."""
    response = Response(_css(), mimetype="text/css")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@blueprint.app_context_processor
def _dress() -> dict[str, Any]:
    # Read from the database only by a page that prints it.
    return {
        "masthead": LocalProxy(_masthead),
        "theme_url": theme_url,
        "asset": asset,
        "language": LocalProxy(languages.spoken),
        "direction": LocalProxy(lambda: speech.direction(languages.spoken())),
        "direction_of": speech.direction,
        "locale_of": lambda code: str(speech.locale(code)),
    }


@blueprint.app_template_filter("safe_url")
def safe_url(url: str) -> str:
    """An http(s) address from outside, or nothing."""
    return links.safe(url)


@blueprint.teardown_app_request
def _undress(_error: BaseException | None) -> None:
    g.pop("masthead", None)


def theme_url() -> str:
    """The address of the tokens, which changes with them, so that a new accent is seen at once."""
    return url_for("theme.stylesheet", v=_digest(_css().encode()))


def asset(name: str) -> str:
    """The address of a file under static/, which changes with its content, so that it may be kept for good."""
    path = Path(str(current_app.static_folder)) / name
    return url_for("static", filename=name, v=_file_digest(path, path.stat().st_mtime_ns))


def _masthead() -> Masthead:
    if "masthead" not in g:
        g.masthead = masthead.current()
    found: Masthead = g.masthead
    return found


def _css() -> str:
    present = _masthead()
    return look.css(present.accent, present.fonts)


@functools.lru_cache(maxsize=64)
def _file_digest(path: Path, _changed_ns: int) -> str:
    return _digest(path.read_bytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:10]
