"""Keeping what was read as articles: one article however often, wherever and under whatever address it is seen."""

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from newsletter import clock, db, errors
from newsletter.articles import links, wording
from newsletter.articles.models import Article, ArticleSource, ArticleTag, ArticleTopic, Feed, TagSource
from newsletter.publication import topics
from newsletter.publication.models import Topic


@dataclass(frozen=True)
class Draft:
    """One story as somebody else tells it; `topics` are slugs that apply whatever the categories say."""

    url: str
    headline: str
    dek: str = ""
    body_html: str = ""
    author: str = ""
    published_at: datetime | None = None
    language: str = ""
    guid: str = ""
    categories: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    hypes: int | None = None
    comments: int | None = None
    picture_url: str = ""
    picture_alt: str = ""


class Outcome(enum.StrEnum):
    """What publishing did."""

    NEW = "new"
    UPDATED = "updated"
    SAME = "same"


@dataclass(frozen=True)
class Published:
    """The article, and what became of the draft."""

    article: Article
    outcome: Outcome


def publish(draft: Draft, *, feed: Feed | None = None, first_fetch: bool = False) -> Published:
    """Keep a draft: a new article, or the one it already is brought up to date; flushed. Raises BadInput.

    On a feed's first fetch an undated item is kept but withheld: nobody can say how old it is.
    """
    headline = wording.plain(draft.headline)
    if not headline:
        raise errors.BadInput("An article needs a headline.", field="headline")
    key, chosen = links.key(draft.url), _topics_of(draft, feed)
    article = _find(key, draft, feed)
    if article is not None:
        return _update(article, draft, headline, chosen, feed)
    article = _new(draft, headline, key, withheld=first_fetch and draft.published_at is None)
    try:
        with db.session.begin_nested():
            db.session.add(article)
    except IntegrityError:
        # Another process kept the same article at this moment.
        found = _find(key, draft, feed)
        if found is None:
            raise
        return _update(found, draft, headline, chosen, feed)
    _tag(article, draft, chosen)
    _remember_source(article, draft, feed)
    refresh_ready(article)
    db.session.flush()
    return Published(article, Outcome.NEW)


def withdraw(article: Article) -> None:
    """Take an article out of everything that has not left yet."""
    article.withdrawn_at = article.withdrawn_at or clock.now()
    db.session.flush()


def refresh_ready(article: Article) -> None:
    """Set when the article became ready, once it is seen, published, tagged and not withheld all at once."""
    if not article.topic_links or article.is_withheld:
        article.ready_at = None
    elif article.ready_at is None:
        article.ready_at = max(article.seen_at, article.published_at or article.seen_at, clock.now())


def _find(key: str, draft: Draft, feed: Feed | None) -> Article | None:
    found = db.session.scalars(select(Article).filter_by(url_key=key)).first()
    if found is None and feed is not None and draft.guid:
        found = db.session.scalars(
            select(Article)
            .join(ArticleSource)
            .where(ArticleSource.feed_id == feed.id, ArticleSource.guid == draft.guid)
        ).first()
    return found


def _new(draft: Draft, headline: str, key: str, *, withheld: bool) -> Article:
    now = clock.now()
    article = Article(url=links.check(draft.url), url_key=key, seen_at=now, updated_at=now, is_withheld=withheld)
    _write(article, draft, headline)
    # A date in the future is a mistake or a promise; neither may hide the article or pin it to the top.
    article.published_at = min(draft.published_at, now) if draft.published_at else None
    return article


def _update(article: Article, draft: Draft, headline: str, chosen: list[Topic], feed: Feed | None) -> Published:
    digest = _digest(draft)
    source = _source(article, draft, feed)
    if (
        source is not None
        and source.content_hash == digest
        and {t.id for t in chosen} <= {t.id for t in article.topics}
    ):
        return Published(article, Outcome.SAME)
    before = _shown(article)
    # A second feed adds its topics; the words stay those of the feed that brought it first.
    if source is not None or feed is None:
        _write(article, draft, headline)
    _tag(article, draft, chosen)
    _remember_source(article, draft, feed)
    refresh_ready(article)
    changed = _shown(article) != before
    if changed:
        article.updated_at = clock.now()
    db.session.flush()
    return Published(article, Outcome.UPDATED if changed else Outcome.SAME)


def _write(article: Article, draft: Draft, headline: str) -> None:
    article.headline, article.dek = headline, wording.plain(draft.dek)
    article.body_html = wording.body(draft.body_html)
    article.author = wording.plain(draft.author)
    article.language = draft.language or article.language or "en"
    # What a feed leaves out it does not know; it does not say zero.
    article.hypes = article.hypes if draft.hypes is None else max(0, draft.hypes)
    article.comments = article.comments if draft.comments is None else max(0, draft.comments)
    if draft.picture_url and draft.picture_url != article.picture_url:
        article.picture_url, article.picture = draft.picture_url, None
    article.picture_alt = wording.plain(draft.picture_alt)


def _shown(article: Article) -> tuple[object, ...]:
    return (
        *(article.headline, article.dek, article.body_html, article.author, article.hypes, article.comments),
        *(article.picture_url, article.picture_alt, frozenset(topic.id for topic in article.topics)),
    )


def _topics_of(draft: Draft, feed: Feed | None) -> list[Topic]:
    """The feed's mapping decides; a category it does not mention counts when it is a topic's own name."""
    chosen = topics.by_slugs(list(draft.topics))
    mapped = {category.casefold() for category in (link.category for link in feed.mappings)} if feed else set()
    named = {name.casefold(): topic for topic in topics.all() for name in (topic.slug, topic.name)}
    for category in draft.categories:
        folded = category.casefold()
        if feed and folded in mapped:
            chosen += [link.topic for link in feed.mappings if link.category.casefold() == folded]
        elif folded in named:
            chosen.append(named[folded])
    chosen += [link.topic for link in feed.mappings if not link.category] if feed else []
    return list({topic.id: topic for topic in chosen}.values())


def _tag(article: Article, draft: Draft, chosen: list[Topic]) -> None:
    present = {link.topic_id if link.topic_id else link.topic.id for link in article.topic_links}
    # Where an editor chose the topics, a feed adds none.
    if not any(link.source is TagSource.EDITOR for link in article.topic_links):
        for topic in chosen:
            if topic.id not in present:
                place = len(article.topic_links)
                article.topic_links.append(ArticleTopic(topic=topic, topic_id=topic.id, position=place))
    known = {tag.tag for tag in article.tags}
    names = {name.casefold() for topic in article.topics for name in (topic.slug, topic.name)}
    for word in dict.fromkeys((*draft.tags, *draft.categories)):
        tag = wording.plain(word)[:100]
        if tag and tag.casefold() not in names and tag not in known:
            article.tags.append(ArticleTag(tag=tag))
            known.add(tag)


def _source(article: Article, draft: Draft, feed: Feed | None) -> ArticleSource | None:
    feed_id, guid = (feed.id if feed else None), draft.guid or article.url_key
    return next((source for source in article.sources if (source.feed_id, source.guid) == (feed_id, guid)), None)


def _remember_source(article: Article, draft: Draft, feed: Feed | None) -> None:
    source = _source(article, draft, feed)
    if source is None:
        source = ArticleSource(feed_id=feed.id if feed else None, guid=draft.guid or article.url_key)
        article.sources.append(source)
    source.content_hash, source.seen_at = _digest(draft), clock.now()


def _digest(draft: Draft) -> str:
    return hashlib.sha256(repr(draft).encode(errors="surrogatepass")).hexdigest()
