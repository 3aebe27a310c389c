"""Terms and privacy policy, with every version ever published."""

from flask import Blueprint, Response
from markdown_it import MarkdownIt
from markupsafe import Markup

from newsletter import errors
from newsletter.mail import words
from newsletter.publication import legal, masthead
from newsletter.publication.models import LegalDocument, LegalKind
from newsletter.web.public import pages

blueprint = Blueprint("legal", __name__)

# "html" off: what an editor writes is text, whatever it looks like; javascript: links are refused by the parser.
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@blueprint.get("/terms")
def terms() -> Response:
    """The terms in force."""
    return _current(LegalKind.TERMS)


@blueprint.get("/privacy")
def privacy() -> Response:
    """The privacy policy in force."""
    return _current(LegalKind.PRIVACY)


@blueprint.get("/terms/<int:number>")
def terms_version(number: int) -> Response:
    """One version of the terms."""
    return _version(LegalKind.TERMS, number)


@blueprint.get("/privacy/<int:number>")
def privacy_version(number: int) -> Response:
    """One version of the privacy policy."""
    return _version(LegalKind.PRIVACY, number)


def _current(kind: LegalKind) -> Response:
    document = legal.current(kind, masthead.current().language)
    if document is None:
        raise errors.NotFound("This text has not been published yet.")
    return _page(document)


def _version(kind: LegalKind, number: int) -> Response:
    # Larger numbers than a database stores were never given.
    if number >= 1 << 31:
        raise errors.NotFound("This version was never published.")
    return _page(legal.version(kind, number, masthead.current().language))


def _page(document: LegalDocument) -> Response:
    versions = legal.versions(document.kind, document.language)
    return pages.answer(
        "legal.html",
        document=document,
        versions=versions,
        is_current=document.version == versions[0].version,
        body=Markup(_MARKDOWN.render(document.markdown)),  # noqa: S704 - made by the parser, with HTML off
        long_date=words.long_date,
    )
