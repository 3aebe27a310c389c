"""The languages a visitor is spoken to in: the magazine's own, and those its consent texts exist in."""

from sqlalchemy import select

from newsletter import db
from newsletter.languages import speech
from newsletter.publication import legal, masthead
from newsletter.publication.models import ConsentWording


def offered() -> list[str]:
    """The masthead's language, then every other with a catalogue in which sign-up may be offered."""
    own = masthead.current().language
    worded = db.session.scalars(select(ConsentWording.language).distinct().order_by(ConsentWording.language))
    others = [code for code in worded if code != own and code in speech.codes()]
    return [own, *(code for code in others if legal.is_open(code))]
