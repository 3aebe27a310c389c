"""One item as a feed tells it, and the draft we make of it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin

from newsletter import errors
from newsletter.articles import illustration, links, wording
from newsletter.articles.illustration import Image
from newsletter.articles.publishing import Draft

# A headline made of an untitled item's first sentence.
_HEADLINE = 100
# No feed is as old as that; such dates are zeros and slips.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_NO_CATEGORIES = {"uncategorized", "uncategorised", "allgemein", "non classé", "sin categoría", "senza categoria"}


@dataclass(frozen=True)
class Item:
    """What a feed says of an article, in its own words and markup."""

    link: str = ""
    guid: str = ""
    title: str = ""
    summary: str = ""
    text: str = ""
    author: str = ""
    language: str = ""
    published_at: datetime | None = None
    categories: tuple[str, ...] = ()
    hypes: int | None = None
    comments: int | None = None
    images: tuple[Image, ...] = ()

    def choices(self, base: str) -> tuple[Image, ...]:
        """The pictures it may stand beside, the best first."""
        return illustration.candidates(self.images, self.text or self.summary, base=base)


def draft(item: Item, *, base: str, language: str, image: Image | None) -> Draft:
    """The draft of an item; `base` completes its links. Raises BadInput, in words for an editor."""
    headline, dek = wording.plain(item.title), wording.dek(item.summary, item.text, headline=wording.plain(item.title))
    if not headline:
        headline, dek = wording.shortened(dek, _HEADLINE), ""
    if not headline:
        raise errors.BadInput("has neither headline nor text")
    try:
        url = links.check(urljoin(base, item.link.strip()) if item.link.strip() else "")
    except (errors.BadInput, ValueError):
        raise errors.BadInput(f"“{wording.shortened(headline, 80)}” has no link") from None
    categories = (wording.plain(each) for each in item.categories)
    return Draft(
        url=url,
        headline=headline,
        dek=dek,
        body_html=item.text or item.summary,
        author=_name(item.author),
        published_at=item.published_at if item.published_at and item.published_at >= _EARLIEST else None,
        language=item.language or language,
        guid=wording.plain(item.guid),
        categories=tuple(dict.fromkeys(each for each in categories if each and each.casefold() not in _NO_CATEGORIES)),
        hypes=item.hypes,
        comments=item.comments,
        picture_url=image.url if image else "",
        picture_alt=image.alt if image else "",
    )


def count(value: object) -> int | None:
    """A counter as feeds write it (5, "3,952"); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    digits = str(value).strip().replace(",", "")
    return int(digits) if re.fullmatch(r"[0-9]{1,9}", digits) else None


def _name(author: str) -> str:
    """An author without the address many feeds put beside or in place of the name."""
    return wording.plain(re.sub(r"\(?\s*[^\s()<>]+@[^\s()<>]+\s*\)?", " ", author)).strip(" ,()")
