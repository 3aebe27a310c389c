"""Which picture stands beside an article: the largest its feed names, else the first real one of its text."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

import nh3

from newsletter import settings
from newsletter.articles import wording

# Counters, portraits of the author, smileys: pictures nobody put there to be looked at.
_FURNITURE = re.compile(
    r"gravatar\.com/|/wp-content/plugins/|s\.w\.org/images/core/emoji|/wp-includes/images/smilies|pixel\.wp\.com"
    r"|stats\.wordpress\.com|feeds\.feedburner\.com/~|feedsportal\.com|pheedo\.com|doubleclick\.net|bluekai\.com"
    r"|medium\.com/_/stat|blogger\.googleusercontent\.com/tracker|/favicon[-.]|\.php\?|[/.](pixel|spacer|blank)\.gif|\.svg(\?|$)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\.(jpe?g|png|webp|gif|avif)(\?|$)", re.IGNORECASE)
_TEXT = 200_000  # characters of an article's text in which pictures are looked for
_SHARED = 3  # items of one document


@dataclass(frozen=True)
class Image:
    """A picture as a feed names it; width in pixels, 0 when it does not say."""

    url: str
    alt: str = ""
    width: int = 0


def candidates(offered: Iterable[Image], markup: str, *, base: str) -> tuple[Image, ...]:
    """The pictures an article may stand beside, the best first: of those offered the widest, then those of its text."""
    whole = (dataclasses.replace(each, url=urljoin(base, each.url)) for each in offered if each.url)
    named = sorted((each for each in whole if _is_picture(each)), key=lambda each: -each.width)
    shown = [each for each in in_text(markup, base=base) if _is_picture(each)]
    # Blogger offers a thumbnail of 72 pixels of the picture that stands in the text in full.
    stamps = [each for each in named if 0 < each.width < settings.current().picture_small]
    best = [each for each in named if each not in stamps]
    alts = {each.url: each.alt for each in shown}
    return tuple(
        Image(each.url, each.alt or alts.get(each.url, ""), each.width) for each in dict.fromkeys(best + shown + stamps)
    )


def without_furniture(choices: Sequence[tuple[Image, ...]]) -> list[Image | None]:
    """For each item of one document its best picture, passing over those that several items share: logos."""
    seen: dict[str, int] = {}
    for images in choices:
        for url in {image.url for image in images}:
            seen[url] = seen.get(url, 0) + 1
    return [next((image for image in images if seen[image.url] < _SHARED), None) for images in choices]


def in_text(markup: str, *, base: str) -> list[Image]:
    """The pictures of a text, in its order."""
    images = _Images()
    attributes = {"img": {"src", "data-src", "data-lazy-src", "alt", "width", "height"}}
    images.feed(nh3.clean(wording.unknotted(wording.storable(markup[:_TEXT])), tags={"img"}, attributes=attributes))
    images.close()
    return [dataclasses.replace(each, url=urljoin(base, each.url)) for each in images.found if each.url]


def is_named_so(url: str) -> bool:
    """Whether an address ends like a picture's."""
    return _NAMED.search(url) is not None


def pixels(value: object) -> int:
    """A width or height as feeds write it ("640", "640px"); 0 for what says nothing ("100%", "auto")."""
    found = re.fullmatch(r"\s*(\d{1,5})(\.\d+)?(px)?\s*", str(value or ""))
    return int(found[1]) if found else 0


def _is_picture(image: Image) -> bool:
    return image.url.startswith(("http://", "https://")) and not _FURNITURE.search(image.url)


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Image] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - only img is left
        given = {name: value or "" for name, value in attrs}
        sides = [pixels(given.get(side)) for side in ("width", "height")]
        # One or two pixels are a counter, not a picture; fifty are a smiley.
        if not any(0 < side <= 50 for side in sides):
            source = given.get("data-src") or given.get("data-lazy-src") or given.get("src", "")
            self.found.append(Image(source, wording.plain(given.get("alt", "")), sides[0]))
