"""What a feed would bring if it were fetched now: judged by the rules of keeping, and kept nowhere."""

import enum
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from newsletter import db
from newsletter.articles import links, publishing, tagging, wording
from newsletter.articles.models import Article, ArticleSource, Feed
from newsletter.articles.publishing import Draft
from newsletter.articles.reading import Document


class Fate(enum.StrEnum):
    """What would become of an item."""

    NEW = "new"
    KNOWN = "known"


@dataclass(frozen=True)
class Offer:
    """One item of the feed: its words, the names of its topics, what would become of it, and why, in a sentence."""

    headline: str
    url: str
    published_at: datetime | None
    categories: tuple[str, ...]
    topics: tuple[str, ...]
    fate: Fate
    why: str = ""
    article_id: int | None = None


@dataclass(frozen=True)
class Trial:
    """What a document holds, item by item; its categories with how many items bear each, the commonest first.

    `refused` says of each item that would be left out why, `problems` what else could not be read.
    """

    offers: list[Offer]
    categories: list[tuple[str, int]]
    refused: list[str]
    problems: list[str]

    def count(self, fate: str) -> int:
        """How many items would fare so."""
        return sum(offer.fate == fate for offer in self.offers)


def judge(document: Document, feed: Feed, *, first_fetch: bool) -> Trial:
    """What keeping a document's items under a feed's mapping would do; only reads."""
    counted = Counter(category for draft in document.drafts for category in dict.fromkeys(draft.categories))
    offers = [_offer(draft, feed, first_fetch=first_fetch) for draft in document.drafts]
    others = [said for said in document.problems if said not in document.left_out]
    return Trial(offers, counted.most_common(), document.left_out, others)


def _offer(draft: Draft, feed: Feed, *, first_fetch: bool) -> Offer:
    headline = wording.plain(draft.headline)
    chosen, _ = tagging.choose(draft.topics, draft.categories, draft.tags, feed=feed)
    article = _known(draft, feed)
    why = _of_known(article, headline) if article else ""
    if article is None and not chosen:
        why = "None of its categories means a topic: it would be kept, not offered."
    elif article is None and first_fetch and draft.published_at is None:
        why = "It has no date: of a first fetch it would be kept, not offered."
    return Offer(
        headline,
        draft.url,
        draft.published_at,
        draft.categories,
        tuple(topic.name for topic in chosen),
        Fate.KNOWN if article else Fate.NEW,
        why,
        article.id if article else None,
    )


def _of_known(article: Article, headline: str) -> str:
    if article.withdrawn_at:
        return "It was withdrawn, and stays so."
    return "" if article.headline == headline else f"It is here as “{article.headline}”."


def _known(draft: Draft, feed: Feed) -> Article | None:
    key = links.key(draft.url)
    found = db.session.scalars(select(Article).filter_by(url_key=key)).first()
    if found is None:
        carried = (ArticleSource.feed_id == feed.id, ArticleSource.guid == publishing.guid(draft, key))
        found = db.session.scalars(select(Article).join(ArticleSource).where(*carried)).first()
    return found
