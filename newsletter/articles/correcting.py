"""An editor's words on an article: they win over every feed's until they are let go, and each change is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from newsletter import clock, db, errors
from newsletter.articles import links, manuscript, wording
from newsletter.articles.models import Article, ArticleCorrection, ArticleSource, Feed

# What a mail shows of an article.
SHOWN = ("headline", "dek", "url", "picture_alt")
FIELDS = (*SHOWN, "body_html")
# Characters. Headlines of over 500 were slips in every feed we have seen.
LONGEST = {"headline": 500, "dek": 1000, "url": 2000, "picture_alt": 1000, "body": 200_000, "reason": 1000}


@dataclass(frozen=True)
class Words:
    """What an article is to say; None leaves a field as it is. `body` is Markdown."""

    headline: str | None = None
    dek: str | None = None
    url: str | None = None
    picture_alt: str | None = None
    body: str | None = None


def get(article_id: int, *, seen: datetime | None = None) -> Article:
    """The article, locked, as of now. Raises NotFound, or Conflict when it changed since the editor saw it."""
    article = db.session.get(Article, article_id, with_for_update=True, populate_existing=True)
    if article is None:
        raise errors.NotFound("There is no such article.")
    if seen is not None and article.updated_at != seen:
        raise errors.Conflict("This article was changed meanwhile. Look at it again, then repeat your change.")
    return article


def correct(article: Article, words: Words, *, actor: str, reason: str = "") -> ArticleCorrection | None:
    """Write an editor's words into a locked article; None when it says so already. Raises BadInput."""
    values = checked(words, markdown=article.body_markdown, url=article.url)
    changed = {name: value for name, value in values.items() if getattr(article, name) != value}
    if not changed:
        return None
    before = {name: getattr(article, name) for name in changed}
    for name, value in changed.items():
        setattr(article, name, value)
    if "body_html" in changed:
        article.body_markdown = wording.storable(words.body or "")
    article.held_fields = sorted({*article.held_fields, *changed})
    article.updated_at = clock.now()
    correction = ArticleCorrection(
        article_id=article.id,
        corrected_at=article.updated_at,
        actor=actor,
        reason=reason,
        is_shown=bool(set(changed) & set(SHOWN)),
        before=before,
        after=changed,
    )
    db.session.add(correction)
    db.session.flush()
    return correction


def checked(words: Words, *, markdown: str = "", url: str = "") -> dict[str, str]:
    """The fields words are about, fit to be kept; a body that equals `markdown` is none of them. Raises BadInput."""
    given = {name: getattr(words, name) for name in ("headline", "dek", "picture_alt")}
    values = {name: wording.plain(text) for name, text in given.items() if text is not None}
    if words.url is not None:
        values["url"] = links.check(words.url)
    if values.get("headline") == "":
        raise errors.BadInput("An article needs a headline.", field="headline")
    for name, text in values.items():
        if len(text) > LONGEST[name]:
            raise errors.BadInput(f"This has more than {LONGEST[name]:,} characters.", field=name)
    # Unchanged Markdown leaves HTML alone that an older version of us made of it.
    if words.body is not None and wording.storable(words.body) != markdown:
        if len(words.body) > LONGEST["body"]:
            raise errors.BadInput(f"This has more than {LONGEST['body']:,} characters.", field="body")
        values["body_html"] = manuscript.to_html(words.body, base=values.get("url", url))
    return values


def let_go(article: Article) -> None:
    """Leave a locked article's words to its feeds again: they come back with the next fetch."""
    article.held_fields, article.updated_at = [], clock.now()
    feeds = select(ArticleSource.feed_id).where(ArticleSource.article_id == article.id)
    # What a feed brought is compared with what it brought before: both forget it.
    for source in article.sources:
        source.content_hash = ""
    db.session.execute(update(Feed).where(Feed.id.in_(feeds)).values(etag="", last_modified=""))
    db.session.flush()


def newest(article_ids: list[int]) -> dict[int, int]:
    """The newest correction of what a mail shows, for each of the articles that has one."""
    query = select(ArticleCorrection.article_id, func.max(ArticleCorrection.id)).where(
        ArticleCorrection.article_id.in_(article_ids), ArticleCorrection.is_shown
    )
    return dict(db.session.execute(query.group_by(ArticleCorrection.article_id)).all())


def since(known: Mapping[int, int]) -> list[ArticleCorrection]:
    """Corrections of what a mail shows, oldest first, that are newer than the one known of each article (0: none)."""
    if not known:
        return []
    query = select(ArticleCorrection).where(
        ArticleCorrection.article_id.in_(list(known)),
        ArticleCorrection.is_shown,
        ArticleCorrection.id > min(known.values()),
    )
    found = db.session.scalars(query.order_by(ArticleCorrection.id))
    return [each for each in found if each.id > known[each.article_id]]


def history(article: Article, *, limit: int = 20) -> list[ArticleCorrection]:
    """What editors changed in an article's words, newest first."""
    query = select(ArticleCorrection).filter_by(article_id=article.id).order_by(ArticleCorrection.id.desc())
    return list(db.session.scalars(query.limit(limit)))
