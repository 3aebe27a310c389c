"""Looking through what there is to read: the list an editor searches."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import selectinload

from newsletter import db, errors
from newsletter.articles.models import Article, ArticleSource, ArticleTopic, Feed
from newsletter.publication.models import Topic

PAGE = 50


@dataclass(frozen=True)
class Search:
    """What articles are looked for: words in the headline, a topic's slug, a state of STATES, a feed, a language."""

    words: str = ""
    topic: str = ""
    state: str = ""
    feed_id: int | None = None
    language: str = ""


def page(search: Search = Search(), *, before: int | None = None) -> list[Article]:
    """Up to PAGE articles that are looked for, newest first, below the id `before`; raises BadInput for a state."""
    statement = select(Article).options(selectinload(Article.topic_links)).order_by(Article.id.desc()).limit(PAGE)
    if search.words:
        statement = statement.where(Article.headline.icontains(search.words, autoescape=True))
    if search.topic:
        tagged = exists().where(ArticleTopic.article_id == Article.id, ArticleTopic.topic_id == Topic.id)
        statement = statement.where(tagged.where(Topic.slug == search.topic))
    if search.state:
        if search.state not in STATES:
            raise errors.BadInput("There is no such state.", field="state")
        statement = statement.where(STATES[search.state])
    if search.feed_id is not None:
        carried = exists().where(ArticleSource.article_id == Article.id, ArticleSource.feed_id == search.feed_id)
        statement = statement.where(carried)
    if search.language:
        statement = statement.where(Article.language == search.language)
    if before is not None:
        statement = statement.where(Article.id < before)
    return list(db.session.scalars(statement))


def get(article_id: int) -> Article:
    """The article of an id; raises NotFound."""
    article = db.session.get(Article, article_id)
    if article is None:
        raise errors.NotFound("There is no such article.")
    return article


def is_empty() -> bool:
    """Whether no article has come in yet."""
    return not db.session.scalar(select(func.count()).select_from(select(Article.id).limit(1).subquery()))


def languages() -> list[str]:
    """The languages articles are in."""
    return list(db.session.scalars(select(Article.language).distinct().order_by(Article.language)))


def sources(article: Article) -> list[tuple[Feed, ArticleSource]]:
    """The feeds that carry an article, the first one first."""
    query = select(Feed, ArticleSource).join(ArticleSource, ArticleSource.feed_id == Feed.id)
    return [(row[0], row[1]) for row in db.session.execute(query.filter(ArticleSource.article_id == article.id))]


_IS_TAGGED = exists().where(ArticleTopic.article_id == Article.id)
_STANDS = Article.withdrawn_at.is_(None)
# The states an editor looks for; together they are all articles.
STATES: dict[str, ColumnElement[bool]] = {
    "ready": _STANDS & _IS_TAGGED & Article.is_withheld.is_(False),
    "untagged": _STANDS & ~_IS_TAGGED,
    "withheld": _STANDS & Article.is_withheld,
    "withdrawn": ~_STANDS,
}
