"""The feeds articles come from: which there are, what they mean, and when each is due."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select

from newsletter import clock, db, errors
from newsletter.articles import links
from newsletter.articles.models import ArticleSource, ArticleTag, Feed, FeedMapping
from newsletter.fetching import guard
from newsletter.publication import stamps
from newsletter.publication import topics as subjects

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-zA-Z0-9]{2,8})*")
_LONGEST_CATEGORY = 100
# Of so many of a feed's newest articles it is told what categories they carried.
_LOOKED_AT = 200
_MOST_CARRIED = 20


@dataclass(frozen=True)
class Plan:
    """What a feed's items are about: topics (slugs) of every item, of each category, and the language of all."""

    topics: tuple[str, ...]
    mapping: dict[str, list[str]]
    language: str


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
    feed.is_active = True
    _write(feed, Plan(tuple(topics), {name: list(slugs) for name, slugs in (mapping or {}).items()}, language))
    return feed


def plan_of(feed: Feed) -> Plan:
    """What a feed's items are about as it is set now."""
    mapping: dict[str, list[str]] = {}
    for each in sorted(feed.mappings, key=lambda one: one.id):
        mapping.setdefault(each.category, []).append(each.topic.slug)
    return Plan(tuple(mapping.pop("", [])), mapping, feed.language)


def stamp(plan: Plan) -> str:
    """The mark of what somebody sees before changing it: see stamps."""
    return stamps.of(asdict(plan))


def change(feed_id: int, plan: Plan, *, seen: str | None = None) -> Feed:
    """Set what a feed's items are about; articles it still carries follow with the next fetch, which is due at once.

    Raises NotFound, BadInput with the field's name, and Conflict when another plan was saved since `seen`.
    """
    feed = db.session.get(Feed, feed_id, with_for_update=True, populate_existing=True)
    if feed is None:
        raise errors.NotFound(f"There is no feed {feed_id}.")
    stamps.check(seen, asdict(plan_of(feed)))
    _write(feed, plan)
    return feed


def with_plan(feed: Feed, plan: Plan) -> Feed:
    """A feed as if it had this plan, to try it; kept nowhere. Raises BadInput."""
    return Feed(id=feed.id, url=feed.url, language=plan.language, mappings=_mappings(plan))


def carried(feed: Feed) -> list[tuple[str, int]]:
    """Categories of a feed's newest articles that mean no topic yet, the commonest first, with how many bear each."""
    newest = (
        select(ArticleSource.article_id).filter_by(feed_id=feed.id).order_by(ArticleSource.id.desc()).limit(_LOOKED_AT)
    )
    counted = (
        select(ArticleTag.tag, func.count())
        .where(ArticleTag.article_id.in_(newest))
        .group_by(ArticleTag.tag)
        .order_by(func.count().desc(), ArticleTag.tag)
        .limit(_MOST_CARRIED)
    )
    return [(row[0], row[1]) for row in db.session.execute(counted)]


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


def _write(feed: Feed, plan: Plan) -> None:
    wanted = _mappings(plan)
    feed.language = plan.language
    feed.mappings.clear()
    db.session.flush()
    feed.mappings.extend(wanted)
    # What the mapping changed is seen only when the whole document is read again.
    feed.etag, feed.last_modified, feed.next_fetch_at = "", "", clock.now()
    db.session.flush()


def _mappings(plan: Plan) -> list[FeedMapping]:
    if not _LANGUAGE.fullmatch(plan.language):
        raise errors.BadInput("A language is a code like en or de.", field="language")
    pairs = [("", slug) for slug in plan.topics]
    pairs += [(category.strip(), slug) for category, chosen in plan.mapping.items() for slug in chosen]
    if any(len(category) > _LONGEST_CATEGORY for category, _ in pairs):
        raise errors.BadInput(f"A category has at most {_LONGEST_CATEGORY} characters.", field="mapping")
    return [
        FeedMapping(category=category, topic=subjects.by_slugs([slug])[0]) for category, slug in dict.fromkeys(pairs)
    ]
