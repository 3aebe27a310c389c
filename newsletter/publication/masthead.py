"""The magazine's name, look and words."""

from sqlalchemy import select

from newsletter import db, errors
from newsletter.languages import speech
from newsletter.publication import look
from newsletter.publication.models import Masthead

LABELS = {
    "hypes_one": speech.later("Hype"),
    "hypes_many": speech.later("Hypes"),
    "comments_one": speech.later("Comment"),
    "comments_many": speech.later("Comments"),
    "read_full": speech.later("Read full article"),
    "read_next": speech.later("What to read next"),
    "more": speech.later("More"),
    "invitation": speech.later("Don’t miss out on the latest news: sign up for our newsletters."),
}


def current() -> Masthead:
    """The masthead; one made of defaults, not stored, while none was saved."""
    stored = db.session.scalars(select(Masthead).order_by(Masthead.id).limit(1)).first()
    return stored or Masthead(
        name="The Magazine", tagline="", language="en", accent="#b3261e", fonts="serif", labels={}
    )


def label(masthead: Masthead, key: str, language: str = "") -> str:
    """The magazine's word for a key of LABELS; in another language than the masthead's the product's own."""
    language = language or masthead.language
    own = masthead.labels.get(key) if language == masthead.language else None
    return str(own or speech.say(LABELS[key], language))


def save(
    *, name: str, tagline: str = "", accent: str = "#b3261e", fonts: str = "serif", labels: dict[str, str] | None = None
) -> Masthead:
    """Set the masthead; raises BadInput with the field's name."""
    if not name.strip():
        raise errors.BadInput("The magazine needs a name.", field="name")
    if not look.is_colour(accent):
        raise errors.BadInput("The accent must be a colour like #b3261e.", field="accent")
    if fonts not in look.FONTS:
        raise errors.BadInput(f"The fonts must be one of {', '.join(look.FONTS)}.", field="fonts")
    if unknown := set(labels or {}) - set(LABELS):
        raise errors.BadInput(f"There is no label {', '.join(sorted(unknown))}.", field="labels")
    masthead = current()
    masthead.name, masthead.tagline, masthead.accent, masthead.fonts = (
        name.strip(),
        tagline.strip(),
        accent.lower(),
        fonts,
    )
    masthead.labels = dict(labels or masthead.labels)
    db.session.add(masthead)
    db.session.flush()
    return masthead


def set_logo(logo_hash: str | None) -> None:
    """Show a picture of ours, by its hash, for the name; None shows the name again."""
    masthead = current()
    masthead.logo_hash = logo_hash
    db.session.add(masthead)
    db.session.flush()
