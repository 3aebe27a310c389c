"""The subjects a reader chooses."""

import re

from sqlalchemy import func, select

from newsletter import db, errors
from newsletter.publication.models import Topic

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 60


def add(slug: str, name: str) -> Topic:
    """Add a topic, or rename the one that has this slug, which stays; raises BadInput."""
    check_slug(slug)
    if not name.strip():
        raise errors.BadInput("A topic needs a name.", field="name")
    if len(name.strip()) > _LONGEST_NAME or len(name.strip().splitlines()) > 1:
        raise errors.BadInput(f"Please use one line of at most {_LONGEST_NAME} characters.", field="name")
    topic = find(slug)
    if topic is None:
        topic = Topic(slug=slug, position=(db.session.scalar(select(func.max(Topic.position))) or 0) + 1)
        db.session.add(topic)
    topic.name = name.strip()
    db.session.flush()
    return topic


def arrange(slugs: list[str]) -> None:
    """Put the topics in this order; those not named follow in the order they had. Raises BadInput."""
    # Locked, so that of two who move a topic at the same moment one finds what the other left.
    db.session.execute(select(Topic.id).order_by(Topic.id).with_for_update())
    named = by_slugs(slugs)
    for place, topic in enumerate([*named, *(each for each in all() if each not in named)], start=1):
        topic.position = place
    db.session.flush()


def move(slug: str, *, up: bool) -> bool:
    """Change places with the topic before, or after; whether there was one. Raises BadInput."""
    present = [topic.slug for topic in all()]
    here = present.index(by_slugs([slug])[0].slug)
    there = here - 1 if up else here + 1
    if not 0 <= there < len(present):
        return False
    present[here], present[there] = present[there], present[here]
    arrange(present)
    return True


def all() -> list[Topic]:  # noqa: A001 - read as topics.all()
    """Every topic, in the publication's order."""
    return list(db.session.scalars(select(Topic).order_by(Topic.position, Topic.id)))


def find(slug: str) -> Topic | None:
    """The topic of a slug, or None."""
    return db.session.scalars(select(Topic).filter_by(slug=slug)).first()


def by_slugs(slugs: list[str]) -> list[Topic]:
    """The topics of the slugs, in their order; raises BadInput that names the unknown one."""
    found = {topic.slug: topic for topic in all()}
    for slug in slugs:
        if slug not in found:
            known = ", ".join(found) or "none yet"
            raise errors.BadInput(f"There is no topic {slug!r}. Topics: {known}.", field="topics")
    return [found[slug] for slug in dict.fromkeys(slugs)]


def check_slug(slug: str) -> None:
    """Refuse what cannot stand in an address: raises BadInput."""
    if not _SLUG.fullmatch(slug) or len(slug) > 60:
        raise errors.BadInput(
            f"{slug!r} must be lower-case letters, digits and single hyphens, at most 60.", field="slug"
        )
