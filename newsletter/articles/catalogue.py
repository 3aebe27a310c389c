"""Looking through what there is to read: the list an editor searches."""

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from newsletter import db, errors
from newsletter.articles.models import Article, ArticleTopic
from newsletter.publication.models import Topic

PAGE = 50


def page(*, words: str = "", topic: str = "", before: int | None = None) -> list[Article]:
    """Up to PAGE articles, newest first, below the id `before`, with these words in the headline and this topic."""
    statement = select(Article).options(selectinload(Article.topic_links)).order_by(Article.id.desc()).limit(PAGE)
    if words:
        statement = statement.where(Article.headline.icontains(words, autoescape=True))
    if topic:
        tagged = select(ArticleTopic.article_id).join(Topic).where(Topic.slug == topic)
        statement = statement.where(Article.id.in_(tagged))
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
