"""A small magazine to try issues on: topics, newsletters, articles that are ready, readers who confirmed."""

import itertools
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from newsletter import db
from newsletter.articles.models import Article, ArticleTopic
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.issues.models import Edition, EditionArticle, EditionPart
from newsletter.outbox.models import Message, Run
from newsletter.publication import newsletters, topics
from newsletter.publication.models import Newsletter

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVERY_DAY = newsletters.DAYS

_numbers = itertools.count(1)


def magazine(*slugs: str) -> None:
    for slug in slugs or ("music", "art", "design", "gaming"):
        topics.add(slug, slug.title())


def newsletter(slug="daily", *, carries=("music", "art"), at="", days=EVERY_DAY, zone="UTC", **plan) -> Newsletter:
    """A newsletter whose calendar, if it has one, began long ago."""
    calendar = newsletters.Calendar(days, at, zone) if at else newsletters.Calendar()
    made = newsletters.save(slug, newsletters.Plan(f"The {slug.title()}", carries, calendar, **plan))
    made.calendar_from_at = made.created_at = datetime(2020, 1, 1, tzinfo=UTC)
    db.session.flush()
    return made


def article(*slugs: str, ready_at=NOON, hypes=None, headline="", **values) -> Article:
    number = next(_numbers)
    made = Article(
        url=f"https://magazine.example/{number}",
        url_key=f"https://magazine.example/{number}",
        headline=headline or f"Story {number}",
        dek=f"What story {number} is about.",
        published_at=ready_at,
        seen_at=ready_at,
        ready_at=ready_at,
        updated_at=ready_at,
        hypes=hypes,
        **values,
    )
    found = topics.by_slugs(list(slugs or ("music",)))
    made.topic_links = [ArticleTopic(topic=topic, position=place) for place, topic in enumerate(found)]
    db.session.add(made)
    db.session.flush()
    return made


def reader(*slugs: str, of: Newsletter, state=SubscriptionState.CONFIRMED, **values) -> Subscriber:
    number = next(_numbers)
    made = Subscriber(
        address=f"reader{number}@readers.example",
        address_key=f"reader{number}@readers.example",
        created_at=NOON - timedelta(days=30),
        **values,
    )
    db.session.add(made)
    db.session.flush()
    subscribe(made, *(slugs or ("music",)), to=of, state=state)
    return made


def subscribe(subscriber: Subscriber, *slugs: str, to: Newsletter, state=SubscriptionState.CONFIRMED) -> None:
    for topic in topics.by_slugs(list(slugs)):
        db.session.add(
            Subscription(
                subscriber_id=subscriber.id,
                newsletter_id=to.id,
                topic_id=topic.id,
                state=state,
                created_at=NOON - timedelta(days=30),
                confirmed_at=NOON - timedelta(days=30),
            )
        )
    db.session.flush()


def brought(issue_id: int, part: EditionPart = EditionPart.STORY) -> dict[int, set[int]]:
    """What an issue's messages bring each reader: article ids by reader."""
    rows = db.session.execute(
        select(Message.recipient_id, EditionArticle.article_id)
        .join(Run, Run.id == Message.run_id)
        .join(Edition, Edition.id == Message.ref)
        .outerjoin(EditionArticle, (EditionArticle.edition_id == Edition.id) & (EditionArticle.part == part))
        .where(Run.kind == "issue", Run.ref == issue_id)
    )
    found: dict[int, set[int]] = {}
    for reader_id, article_id in rows:
        found.setdefault(reader_id, set()).update({article_id} - {None})
    return found


def subjects(issue_id: int) -> dict[int, str]:
    """The subject each reader of an issue sees."""
    rows = db.session.execute(
        select(Message.recipient_id, Edition.subject)
        .join(Run, Run.id == Message.run_id)
        .join(Edition, Edition.id == Message.ref)
        .where(Run.kind == "issue", Run.ref == issue_id)
    )
    return dict(rows.all())
