"""Where an editor puts an article: its topics, rank, counters and picture; no feed undoes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from newsletter import clock, db, errors
from newsletter.articles import links, publishing
from newsletter.articles.models import Article, ArticleTopic, TagSource
from newsletter.publication import topics as subjects

PRIORITIES = range(-9, 10)
MOST_COUNTED = 999_999_999


@dataclass(frozen=True)
class Place:
    """Topics by slug, the main one first; counters that are None are unknown and hidden."""

    topics: Sequence[str] = ()
    priority: int = 0
    is_evergreen: bool = False
    hypes: int | None = None
    comments: int | None = None
    picture_url: str = ""


def of(article: Article) -> Place:
    """Where an article stands."""
    return Place(
        tuple(topic.slug for topic in article.topics),
        article.priority,
        article.is_evergreen,
        article.hypes,
        article.comments,
        article.picture_url,
    )


def put(article: Article, place: Place) -> dict[str, Any]:
    """Put a locked article there; what changed, by name, with what stood there before. Raises BadInput."""
    _check(place)
    before = of(article)
    changed = {name: value for name, value in vars(before).items() if value != getattr(place, name)}
    if "topics" in changed:
        _tag(article, place.topics)
    if "picture_url" in changed:
        article.picture_url, article.picture = place.picture_url, None
    article.priority, article.is_evergreen = place.priority, place.is_evergreen
    article.hypes, article.comments = place.hypes, place.comments
    held = {"topics", "hypes", "comments", "picture_url"} & set(changed)
    article.held_fields = sorted({*article.held_fields, *held})
    publishing.refresh_ready(article)
    if changed:
        article.updated_at = clock.now()
    db.session.flush()
    return changed


def _tag(article: Article, slugs: Sequence[str]) -> None:
    known = {link.topic_id: link for link in article.topic_links}
    chosen = [
        known.get(topic.id) or ArticleTopic(topic=topic, topic_id=topic.id) for topic in subjects.by_slugs(list(slugs))
    ]
    for position, link in enumerate(chosen):
        link.position, link.source = position, TagSource.EDITOR
    article.topic_links[:] = chosen


def _check(place: Place) -> None:
    subjects.by_slugs(list(place.topics))
    if place.priority not in PRIORITIES:
        raise errors.BadInput("A priority is a whole number from -9 to 9.", field="priority")
    for name in ("hypes", "comments"):
        count = getattr(place, name)
        if count is not None and not 0 <= count <= MOST_COUNTED:
            raise errors.BadInput("A count is a whole number from 0 on, or empty.", field=name)
    if place.picture_url:
        try:
            links.check(place.picture_url)
        except errors.BadInput as error:
            raise errors.BadInput(error.message, field="picture_url") from None
