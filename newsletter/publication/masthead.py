"""The magazine's name, look and words."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from newsletter import db, errors
from newsletter.languages import speech
from newsletter.publication import look, stamps
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
# Characters; a masthead is one line on a phone, or two.
_LENGTHS = {"name": 80, "tagline": 160, "labels": 160}


@dataclass(frozen=True)
class Plan:
    """What an editor says about the masthead; a label that is missing or empty is the product's own word."""

    name: str
    tagline: str = ""
    language: str = "en"
    accent: str = "#b3261e"
    fonts: str = "serif"
    labels: Mapping[str, str] = field(default_factory=dict)


def current() -> Masthead:
    """The masthead; one made of defaults, not stored, while none was saved."""
    stored = db.session.scalars(select(Masthead).order_by(Masthead.id).limit(1)).first()
    return stored or Masthead(**_values(Plan("The Magazine")))


def plan_of(stored: Masthead) -> Plan:
    """What was said about a masthead, to be changed and saved again."""
    labels = {str(key): str(word) for key, word in stored.labels.items()}
    return Plan(stored.name, stored.tagline, stored.language, stored.accent, stored.fonts, labels)


def label(masthead: Masthead, key: str, language: str = "") -> str:
    """The magazine's word for a key of LABELS; in another language than the masthead's the product's own."""
    language = language or masthead.language
    own = masthead.labels.get(key) if language == masthead.language else None
    return str(own or speech.say(LABELS[key], language))


def stamp(plan: Plan) -> str:
    """The mark of what somebody sees before saving: see stamps."""
    return stamps.of(dataclasses.asdict(plan))


def save(plan: Plan, *, seen: str | None = None) -> Masthead:
    """Set the masthead; `seen` is the stamp of the one that was changed.

    Raises BadInput with the field's name, and Conflict when another one was saved since.
    """
    values = _values(checked(plan))
    masthead = _held()
    stamps.check(seen, dataclasses.asdict(plan_of(masthead)))
    for name, value in values.items():
        setattr(masthead, name, value)
    db.session.flush()
    return masthead


def checked(plan: Plan) -> Plan:
    """The plan as it would be stored, trimmed and without the labels that say nothing; raises BadInput."""
    labels = {key: word.strip() for key, word in plan.labels.items() if word.strip()}
    trimmed = dataclasses.replace(
        plan, name=plan.name.strip(), tagline=plan.tagline.strip(), accent=plan.accent.strip().lower(), labels=labels
    )
    if not trimmed.name:
        raise errors.BadInput("The magazine needs a name.", field="name")
    _check_length("name", trimmed.name)
    _check_length("tagline", trimmed.tagline)
    if trimmed.language not in speech.codes():
        raise errors.BadInput(f"The language must be one of {', '.join(speech.codes())}.", field="language")
    if not look.is_colour(trimmed.accent):
        raise errors.BadInput("The accent must be a colour like #b3261e.", field="accent")
    if trimmed.fonts not in look.FONTS:
        raise errors.BadInput(f"The fonts must be one of {', '.join(look.FONTS)}.", field="fonts")
    if unknown := set(labels) - set(LABELS):
        raise errors.BadInput(f"There is no label {', '.join(sorted(unknown))}.", field="labels")
    for word in labels.values():
        _check_length("labels", word)
    return trimmed


def set_logo(logo_hash: str | None) -> None:
    """Show a picture of ours, by its hash, for the name; None shows the name again."""
    _held().logo_hash = logo_hash
    db.session.flush()


def _check_length(field: str, text: str) -> None:
    if len(text) > _LENGTHS[field]:
        raise errors.BadInput(f"Please use at most {_LENGTHS[field]} characters.", field=field)
    if len(text.splitlines()) > 1:
        raise errors.BadInput("Please write it on one line.", field=field)


def _values(plan: Plan) -> dict[str, Any]:
    return dataclasses.asdict(plan) | {"labels": dict(plan.labels)}


def _held() -> Masthead:
    """The stored masthead, made where there is none, and ours until the transaction ends."""
    # One id: of two who save the first masthead at the same moment one makes it.
    made = _values(Plan("The Magazine")) | {"id": 1}
    if db.session.scalar(select(Masthead.id).limit(1)) is None:
        db.session.execute(db.insert(Masthead).values(made).on_conflict_do_nothing())
    held = select(Masthead).order_by(Masthead.id).limit(1).with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(held).one()
