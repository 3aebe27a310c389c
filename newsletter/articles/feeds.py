"""The feeds articles come from: which there are, and when each is due."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.articles import links
from newsletter.articles.models import Feed, FeedMapping
from newsletter.fetching import guard
from newsletter.publication import topics as subjects


def add(
    url: str, *, topics: Sequence[str] = (), mapping: Mapping[str, Sequence[str]] | None = None, language: str = "en"
) -> Feed:
    """Add a feed, or change the mapping of the one with this address; due at once. Raises BadInput or FetchRefused."""
    url = links.check(url)
    guard.check_url(url)
    feed = db.session.scalars(select(Feed).filter_by(url=url)).first()
    if feed is None:
        feed = Feed(url=url, next_fetch_at=clock.now(), created_at=clock.now())
        db.session.add(feed)
    feed.language, feed.is_active = language, True
    wanted = _mappings(topics, mapping or {})
    feed.mappings.clear()
    db.session.flush()
    feed.mappings.extend(wanted)
    # What the mapping changed is seen only when the whole document is read again.
    feed.etag, feed.last_modified, feed.next_fetch_at = "", "", clock.now()
    db.session.flush()
    return feed


def all() -> list[Feed]:  # noqa: A001 - read as feeds.all()
    """Every feed, oldest first."""
    return list(db.session.scalars(select(Feed).order_by(Feed.id)))


def get(feed_id: int) -> Feed:
    """The feed of an id; raises NotFound."""
    feed = db.session.get(Feed, feed_id)
    if feed is None:
        raise errors.NotFound(f"There is no feed {feed_id}.")
    return feed


def pause(feed: Feed) -> None:
    """Fetch a feed no more by itself; what it brought stays. Harmless twice."""
    feed.is_active = False
    db.session.flush()


def go_on(feed: Feed) -> None:
    """Fetch a paused feed again, at once. Harmless twice."""
    if not feed.is_active:
        feed.is_active, feed.next_fetch_at = True, clock.now()
    db.session.flush()


def due(now: datetime) -> list[int]:
    """The ids of the active feeds to be polled now, the longest waiting first."""
    return list(
        db.session.scalars(
            select(Feed.id).where(Feed.is_active, Feed.next_fetch_at <= now).order_by(Feed.next_fetch_at, Feed.id)
        )
    )


def _mappings(slugs: Sequence[str], mapping: Mapping[str, Sequence[str]]) -> list[FeedMapping]:
    pairs = [("", slug) for slug in slugs]
    pairs += [(category.strip(), slug) for category, chosen in mapping.items() for slug in chosen]
    return [
        FeedMapping(category=category, topic=subjects.by_slugs([slug])[0]) for category, slug in dict.fromkeys(pairs)
    ]
