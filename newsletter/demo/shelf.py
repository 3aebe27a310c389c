"""The sample magazine's own site: its stories as they stand in the database, and which to read after one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from newsletter import db, errors
from newsletter.articles.models import Article, Picture
from newsletter.demo import magazine, marking
from newsletter.publication.models import Topic

_NEXT, _MORE = 3, 6


@dataclass(frozen=True)
class Piece:
    """A story of the site: where it is found, the article of the service, and its body in paragraphs."""

    slug: str
    article: Article
    body: tuple[str, ...]

    @property
    def topic(self) -> Topic:
        """The topic it stands under."""
        return self.article.topics[0]


def pieces() -> list[Piece]:
    """All stories that are not withdrawn, the newest first; raises NotFound while the sample is not loaded."""
    written = {story.slug: story for story in magazine.stories()}
    query = (
        select(Article)
        .where(Article.id.in_(marking.article_ids()), Article.withdrawn_at.is_(None))
        .options(selectinload(Article.topic_links), selectinload(Article.picture).selectinload(Picture.renditions))
        .order_by(Article.published_at.desc(), Article.id.desc())
    )
    found = []
    for article in db.session.scalars(query):
        slug = article.url.rpartition("/")[2]
        found.append(Piece(slug, article, tuple(written[slug].body.split("\n\n"))))
    if not found:
        raise errors.NotFound("The sample magazine is not here. Load it with: flask newsletter demo")
    return found


def find(slug: str, among: Sequence[Piece]) -> Piece:
    """The story of an address; raises NotFound."""
    piece = next((piece for piece in among if piece.slug == slug), None)
    if piece is None:
        raise errors.NotFound("The sample magazine has no story at this address.")
    return piece


def read_next(piece: Piece, among: Sequence[Piece]) -> list[Piece]:
    """Three of other topics, one each, the most liked first."""
    chosen: dict[int, Piece] = {}
    for other in sorted(among, key=lambda each: -(each.article.hypes or 0)):
        if other.topic.id != piece.topic.id:
            chosen.setdefault(other.topic.id, other)
    return list(chosen.values())[:_NEXT]


def more(piece: Piece, among: Sequence[Piece]) -> list[Piece]:
    """A few that are neither this one nor what to read next: those of its own topic, then the newest."""
    shown = {piece.slug, *(each.slug for each in read_next(piece, among))}
    rest = [each for each in among if each.slug not in shown]
    return sorted(rest, key=lambda each: each.topic.id != piece.topic.id)[:_MORE]
