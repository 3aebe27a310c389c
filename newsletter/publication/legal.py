"""Terms, privacy policy and the consent sentence: published in versions that never change."""

import hashlib
from datetime import datetime

from markdown_it import MarkdownIt
from markupsafe import Markup
from sqlalchemy import func, select

from newsletter import clock, db, errors, settings
from newsletter.publication import differences
from newsletter.publication.models import ConsentWording, LegalDocument, LegalKind, LegalWay

DEFAULT_SENTENCE = "I agree to the {terms} and have read the {privacy}."

# "html" off: what an editor writes is text, whatever it looks like; javascript: links are refused by the parser.
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


def publish(
    kind: LegalKind,
    *,
    title: str,
    markdown: str,
    language: str = "en",
    is_placeholder: bool = False,
    way: LegalWay = LegalWay.TOLD,
    ask_by_at: datetime | None = None,
) -> LegalDocument:
    """Publish the next version of a document; the same text again changes nothing and returns the present version.

    `way` says how readers of an earlier version learn of it: a slip is corrected, they are told in the next issue, or
    asked again by an instant (see audience.asking). Raises BadInput.
    """
    latest = current(kind, language)
    document = drafted(kind, title=title, markdown=markdown, language=language, way=way, ask_by_at=ask_by_at)
    if latest and latest.sha256 == document.sha256:
        return latest
    document.is_placeholder = is_placeholder
    db.session.add(document)
    db.session.flush()
    return document


def drafted(
    kind: LegalKind,
    *,
    title: str,
    markdown: str,
    language: str = "en",
    way: LegalWay = LegalWay.TOLD,
    ask_by_at: datetime | None = None,
) -> LegalDocument:
    """The version that publishing this would make, in no session: to be looked at. Raises BadInput."""
    if (way is LegalWay.ASKED) != (ask_by_at is not None):
        raise errors.BadInput("To ask readers again needs a date by which they are to agree.", field="ask_by")
    if way is LegalWay.ASKED and kind is LegalKind.PRIVACY:
        raise errors.BadInput("A privacy policy is told, never agreed to again.", field="way")
    if ask_by_at is not None and ask_by_at <= clock.now():
        raise errors.BadInput("The date by which readers are to agree must lie ahead.", field="ask_by")
    title = title.strip()
    if not title or not markdown.strip():
        raise errors.BadInput("A legal text needs a title and a text.", field="markdown" if title else "title")
    latest = current(kind, language)
    return LegalDocument(
        kind=kind,
        language=language,
        version=(latest.version if latest else 0) + 1,
        title=title,
        markdown=markdown,
        sha256=_digest(title, markdown),
        way=way,
        ask_by_at=ask_by_at,
        published_at=clock.now(),
    )


def current(kind: LegalKind, language: str = "en") -> LegalDocument | None:
    """The version in force, or None while none was published."""
    return db.session.scalars(
        select(LegalDocument).filter_by(kind=kind, language=language).order_by(LegalDocument.version.desc()).limit(1)
    ).first()


def version(kind: LegalKind, number: int, language: str = "en") -> LegalDocument:
    """One published version; raises NotFound."""
    document = db.session.scalars(select(LegalDocument).filter_by(kind=kind, language=language, version=number)).first()
    if document is None:
        raise errors.NotFound("This version was never published.")
    return document


def before(document: LegalDocument) -> LegalDocument | None:
    """The version this one replaces or replaced; None before the first."""
    return db.session.scalars(
        select(LegalDocument).filter_by(kind=document.kind, language=document.language, version=document.version - 1)
    ).first()


def after(document: LegalDocument) -> LegalDocument | None:
    """The version that replaced this one; None while it is in force."""
    return db.session.scalars(
        select(LegalDocument).filter_by(kind=document.kind, language=document.language, version=document.version + 1)
    ).first()


def changes(document: LegalDocument) -> list[differences.Line]:
    """What this version changes of the one before it, title and text; all is new in a first version."""
    earlier = before(document)
    if earlier is None:
        return [
            differences.Line(differences.Mark.NEW, (differences.Piece(differences.Mark.NEW, line),))
            for line in _read(document).split("\n")
        ]
    return differences.folded(differences.between(_read(earlier), _read(document)))


def news(language: str, since: datetime) -> list[LegalDocument]:
    """New versions published after an instant that readers are to be told of, oldest first."""
    told = select(LegalDocument).where(
        LegalDocument.language == language,
        LegalDocument.version > 1,
        LegalDocument.way == LegalWay.TOLD,
        LegalDocument.published_at > since,
    )
    return list(db.session.scalars(told.order_by(LegalDocument.id)))


def versions(kind: LegalKind, language: str = "en") -> list[LegalDocument]:
    """All published versions, newest first."""
    return list(
        db.session.scalars(
            select(LegalDocument).filter_by(kind=kind, language=language).order_by(LegalDocument.version.desc())
        )
    )


def word_consent(sentence: str, language: str = "en") -> ConsentWording:
    """Publish the sentence beside the consent box; it must name both documents."""
    if "{terms}" not in sentence or "{privacy}" not in sentence:
        raise errors.BadInput("The consent sentence must name {terms} and {privacy}.", field="sentence")
    latest = wording(language)
    if latest and latest.sentence == sentence:
        return latest
    number = db.session.scalar(select(func.count()).select_from(ConsentWording).filter_by(language=language)) or 0
    worded = ConsentWording(language=language, version=number + 1, sentence=sentence, published_at=clock.now())
    db.session.add(worded)
    db.session.flush()
    return worded


def wording(language: str = "en") -> ConsentWording | None:
    """The consent sentence in force, or None while none was published."""
    return db.session.scalars(
        select(ConsentWording).filter_by(language=language).order_by(ConsentWording.version.desc()).limit(1)
    ).first()


def spelled_out(worded: ConsentWording, terms: LegalDocument, privacy: LegalDocument) -> str:
    """The sentence as a person reads it, with the documents' titles in place."""
    return worded.sentence.format(terms=terms.title, privacy=privacy.title)


def to_html(markdown: str) -> Markup:
    """A text as it stands on its page."""
    return Markup(_MARKDOWN.render(markdown))  # noqa: S704 - made by the parser, with HTML off


def source(document: LegalDocument) -> bytes:
    """The bytes a document's SHA-256 is taken of: its title, a line break, its Markdown."""
    return f"{document.title}\n{document.markdown}".encode()


def is_open(language: str = "en") -> bool:
    """Whether sign-up may be offered: sentence and both documents exist, in production the magazine's own."""
    documents = [current(kind, language) for kind in LegalKind]
    if wording(language) is None or None in documents:
        return False
    return settings.current().is_development or not any(document.is_placeholder for document in documents if document)


def publish_placeholders() -> None:
    """Placeholder texts for development, so that the first form works; harmless where texts exist."""
    if wording() is None:
        word_consent(DEFAULT_SENTENCE)
    titles = {LegalKind.TERMS: "Terms of Use", LegalKind.PRIVACY: "Privacy Policy"}
    for kind, title in titles.items():
        if current(kind) is None:
            publish(
                kind,
                title=title,
                is_placeholder=True,
                markdown=f"This is a placeholder for the magazine's {title}. Publish your own text before you go live.",
            )


def changed(*, at_most: int = 20) -> list[str]:
    """The published texts that are not what was published: "terms 1 (en)"."""
    found = db.session.scalars(select(LegalDocument).order_by(LegalDocument.id))
    altered = [each for each in found if _digest(each.title, each.markdown) != each.sha256]
    return [f"{each.kind.value} {each.version} ({each.language})" for each in altered[:at_most]]


def _digest(title: str, markdown: str) -> str:
    return hashlib.sha256(f"{title}\n{markdown}".encode()).hexdigest()


def _read(document: LegalDocument) -> str:
    return source(document).decode()
