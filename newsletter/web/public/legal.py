"""Terms and privacy policy: the ones in force, and every version ever published at an address of its own."""

from flask import Blueprint, Response

from newsletter import errors
from newsletter.mail import words
from newsletter.publication import legal, masthead
from newsletter.publication.models import LegalDocument, LegalKind
from newsletter.web import languages
from newsletter.web.public import pages

blueprint = Blueprint("legal", __name__)


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
    return _page(_version(LegalKind.TERMS, number, _language()))


@blueprint.get("/privacy/<int:number>")
def privacy_version(number: int) -> Response:
    """One version of the privacy policy."""
    return _page(_version(LegalKind.PRIVACY, number, _language()))


@blueprint.get("/terms/<language>/<int:number>.md")
def terms_source(language: str, number: int) -> Response:
    """One version of the terms, byte for byte as its SHA-256 was taken."""
    return _source(_version(LegalKind.TERMS, number, language))


@blueprint.get("/privacy/<language>/<int:number>.md")
def privacy_source(language: str, number: int) -> Response:
    """One version of the privacy policy, byte for byte as its SHA-256 was taken."""
    return _source(_version(LegalKind.PRIVACY, number, language))


def _current(kind: LegalKind) -> Response:
    document = legal.current(kind, languages.spoken())
    if document is None:
        raise errors.NotFound("This text has not been published yet.")
    return _page(document, versions=legal.versions(kind, document.language))


def _language() -> str:
    """Versions are numbered by language: an address means the magazine's own, unless it names another."""
    languages.speak(masthead.current().language)
    return languages.spoken()


def _version(kind: LegalKind, number: int, language: str) -> LegalDocument:
    # Larger numbers than a database stores were never given.
    if number >= 1 << 31:
        raise errors.NotFound("This version was never published.")
    return legal.version(kind, number, language)


def _page(document: LegalDocument, *, versions: list[LegalDocument] | None = None) -> Response:
    """A version's own page says nothing of later ones, so that it stays the same bytes whatever is published."""
    return pages.answer(
        "legal.html",
        document=document,
        versions=versions or [],
        body=legal.to_html(document.markdown),
        long_date=words.long_date,
    )


def _source(document: LegalDocument) -> Response:
    # Plain text to a browser, whatever is in it.
    response = Response(legal.source(document), mimetype="text/plain")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
