"""The subjects a reader chooses."""

import re

from sqlalchemy import func, select

from newsletter import db, errors
from newsletter.publication.models import Topic

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def add(slug: str, name: str) -> Topic:
    """Add a topic, or rename the one that has this slug; raises BadInput."""
    check_slug(slug)
    if not name.strip():
        raise errors.BadInput("A topic needs a name.", field="name")
    topic = find(slug)
    if topic is None:
        topic = Topic(slug=slug, position=(db.session.scalar(select(func.max(Topic.position))) or 0) + 1)
        db.session.add(topic)
    topic.name = name.strip()
    db.session.flush()
    return topic


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
