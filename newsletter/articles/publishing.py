"""Keeping what was read as articles: one article however often, wherever and under whatever address it is seen."""

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from newsletter import clock, db, errors
from newsletter.articles import links, tagging, wording
from newsletter.articles.models import Article, ArticleSource, Feed
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
    try:
        with db.session.begin_nested():
            return _publish(draft, feed, withheld=first_fetch and draft.published_at is None)
    except IntegrityError:
        # Another process kept the same article at this moment: now it is there to be brought up to date.
        return _publish(draft, feed, withheld=False)


def guid(draft: Draft, key: str) -> str:
    """What a feed calls the article; without a guid, or outside of a feed, its address."""
    told = wording.storable(draft.guid).strip() or key
    # PostgreSQL indexes at most 2,704 bytes.
    return told if len(told) <= 500 else hashlib.sha256(told.encode()).hexdigest()


def withdraw(article: Article, reason: str = "") -> None:
    """Take an article out of everything that has not left yet; again: it stays withdrawn as it was."""
    if article.withdrawn_at is None:
        article.withdrawn_at, article.withdrawn_reason = clock.now(), reason
    db.session.flush()


def refresh_ready(article: Article) -> None:
    """Set when the article became ready, once it is seen, published, tagged and not withheld all at once."""
    if not article.topic_links or article.is_withheld:
        article.ready_at = None
    elif article.ready_at is None:
        article.ready_at = max(article.seen_at, article.published_at or article.seen_at, clock.now())


def _publish(draft: Draft, feed: Feed | None, *, withheld: bool) -> Published:
    headline = wording.plain(draft.headline)
    if not headline:
        raise errors.BadInput("An article needs a headline.", field="headline")
    key = links.key(draft.url)
    chosen, tags = tagging.choose(draft.topics, draft.categories, draft.tags, feed=feed)
    seen = _Seen(key, feed, guid(draft, key), _digest(draft, chosen), chosen, tags)
    article = _find(seen)
    if article is not None:
        return _update(article, draft, headline, seen)
    article = _new(draft, headline, key, withheld=withheld)
    db.session.add(article)
    tagging.tag(article, seen.topics, seen.tags, is_alone=False)
    _remember_source(article, seen)
    refresh_ready(article)
    db.session.flush()
    return Published(article, Outcome.NEW)


@dataclass(frozen=True)
class _Seen:
    """Where and as what a draft was seen: its identity, its words' hash, the topics and free tags it is to have."""

    key: str
    feed: Feed | None
    guid: str
    digest: str
    topics: list[Topic]
    tags: list[str]

    @property
    def feed_id(self) -> int | None:
        return self.feed.id if self.feed else None


def _find(seen: _Seen) -> Article | None:
    found = db.session.scalars(select(Article).filter_by(url_key=seen.key)).first()
    if found is None and seen.feed is not None:
        carried = (ArticleSource.feed_id == seen.feed.id, ArticleSource.guid == seen.guid)
        found = db.session.scalars(select(Article).join(ArticleSource).where(*carried)).first()
    return found


def _new(draft: Draft, headline: str, key: str, *, withheld: bool) -> Article:
    now = clock.now()
    article = Article(url=links.check(draft.url), url_key=key, seen_at=now, updated_at=now, is_withheld=withheld)
    _write(article, draft, headline)
    return article


def _update(article: Article, draft: Draft, headline: str, seen: _Seen) -> Published:
    source = _source(article, seen)
    if source is not None and source.content_hash == seen.digest:
        return Published(article, Outcome.SAME)
    before = _shown(article)
    is_alone = source is not None and len(article.sources) == 1
    if source is not None or seen.feed is None:
        _write(article, draft, headline)
        if article.url_key != seen.key:
            # Found by its guid: it has moved, and nobody stands at its new address.
            _set(article, "url", links.check(draft.url))
            article.url_key = seen.key
    else:
        _complete(article, draft)
    tagging.tag(article, seen.topics, seen.tags, is_alone=is_alone)
    _remember_source(article, seen)
    refresh_ready(article)
    changed = _shown(article) != before
    if changed:
        article.updated_at = clock.now()
    db.session.flush()
    return Published(article, Outcome.UPDATED if changed else Outcome.SAME)


def _write(article: Article, draft: Draft, headline: str) -> None:
    _set(article, "headline", headline)
    _set(article, "dek", wording.plain(draft.dek))
    _set(article, "body_html", wording.body(draft.body_html, base=draft.url))
    article.author = wording.plain(draft.author)
    article.language = draft.language or article.language or "en"
    # What a feed leaves out it does not know; it does not say zero.
    _set(article, "hypes", article.hypes if draft.hypes is None else max(0, draft.hypes))
    _set(article, "comments", article.comments if draft.comments is None else max(0, draft.comments))
    _date(article, draft)
    _picture(article, draft)


def _complete(article: Article, draft: Draft) -> None:
    """What a second feed may add: the words stay those of the feed that brought the article first."""
    _set(article, "dek", article.dek or wording.plain(draft.dek))
    article.author = article.author or wording.plain(draft.author)
    _set(article, "body_html", article.body_html or wording.body(draft.body_html, base=draft.url))
    _set(article, "hypes", draft.hypes if article.hypes is None else article.hypes)
    _set(article, "comments", draft.comments if article.comments is None else article.comments)
    if article.published_at is None:
        _date(article, draft)
    if not article.picture_url and article.picture is None:
        _picture(article, draft)


def _date(article: Article, draft: Draft) -> None:
    if draft.published_at is None:
        return
    if article.published_at is None:
        # It was withheld only for want of a date.
        article.is_withheld = False
    # A date in the future is a mistake or a promise; neither may hide the article or pin it to the top.
    article.published_at = min(draft.published_at, clock.now())


def _picture(article: Article, draft: Draft) -> None:
    url = wording.storable(draft.picture_url)
    if url and url != article.picture_url and "picture_url" not in (article.held_fields or ()):
        article.picture_url, article.picture = url, None
    _set(article, "picture_alt", wording.plain(draft.picture_alt))


def _set(article: Article, field: str, value: str | int | None) -> None:
    """Write a field, unless an editor's choice stands in it."""
    if field not in (article.held_fields or ()):
        setattr(article, field, value)


def _shown(article: Article) -> tuple[object, ...]:
    return (
        *(article.headline, article.dek, article.body_html, article.author, article.hypes, article.comments),
        *(article.picture_url, article.picture_alt, frozenset(topic.id for topic in article.topics)),
    )


def _source(article: Article, seen: _Seen) -> ArticleSource | None:
    at = (seen.feed_id, seen.guid)
    return next((source for source in article.sources if (source.feed_id, source.guid) == at), None)


def _remember_source(article: Article, seen: _Seen) -> None:
    source = _source(article, seen)
    if source is None:
        source = ArticleSource(feed_id=seen.feed_id, guid=seen.guid)
        article.sources.append(source)
    source.content_hash, source.seen_at = seen.digest, clock.now()


def _digest(draft: Draft, chosen: list[Topic]) -> str:
    told = repr((draft, sorted(topic.id for topic in chosen)))
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()
