"""The languages a visitor is spoken to in, and those the consent texts for them may be written in."""

from sqlalchemy import select

from newsletter import db
from newsletter.languages import speech
from newsletter.publication import legal, masthead, newsletters
from newsletter.publication.models import ConsentWording, LegalDocument


def offered() -> list[str]:
    """The masthead's language, then every other with a catalogue in which sign-up may be offered."""
    own = masthead.current().language
    worded = db.session.scalars(select(ConsentWording.language).distinct().order_by(ConsentWording.language))
    others = [code for code in worded if code != own and code in speech.codes()]
    return [own, *(code for code in others if legal.is_open(code))]


def writable() -> list[str]:
    """Those a legal text may be in: the masthead's, then every one with a catalogue, a newsletter or a text."""
    own = masthead.current().language
    newsletters_speak = {each.language for each in newsletters.all()}
    return [own, *sorted({*speech.codes(), *newsletters_speak, *written()} - {own})]


def written() -> list[str]:
    """Those in which a legal text was ever published."""
    return list(db.session.scalars(select(LegalDocument.language).distinct().order_by(LegalDocument.language)))
