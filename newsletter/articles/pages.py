"""One article from its own page: JSON-LD first, then OpenGraph, then the page's plain marks."""

import json
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from newsletter import errors, fetching
from newsletter.articles import items, jsonfeed, links, wording
from newsletter.articles.publishing import Draft

_KINDS = ("article", "newsarticle", "blogposting", "reportagenewsarticle", "review", "techarticle", "liveblogposting")


def read(url: str, *, topics: Sequence[str] = ()) -> Draft:
    """The article of a page, fetched; no database. Raises FetchRefused, or BadInput for want of a headline."""
    fetched = fetching.get(url, accept="text/html, application/xhtml+xml;q=0.9")
    return parse(fetched.content, url=fetched.url, content_type=fetched.content_type, topics=topics)


def parse(content: bytes, *, url: str, content_type: str = "", topics: Sequence[str] = ()) -> Draft:
    """The article a page's markup tells of."""
    page = _Page()
    # "<![" of another kind than CDATA makes html.parser give up (AssertionError).
    page.feed(_decoded(content, content_type).replace("<![", "<! ["))
    page.close()
    data, meta = _article_data(page.scripts), page.meta
    headline = wording.plain(_text(data.get("headline")) or meta.get("og:title") or page.title)
    if not headline:
        raise errors.BadInput("This page does not tell an article's headline.", field="url")
    summary = _text(data.get("description")) or meta.get("og:description") or meta.get("description") or ""
    picture = _image(data.get("image")) or meta.get("og:image:secure_url") or meta.get("og:image") or ""
    section = _texts(data.get("articleSection")) or _split(meta.get("article:section", ""))
    return Draft(
        url=_canonical(page, url),
        headline=headline,
        dek=wording.dek(summary, _text(data.get("articleBody")), headline=headline),
        author=_author(data, meta),
        published_at=jsonfeed.instant(_text(data.get("datePublished")) or meta.get("article:published_time") or ""),
        language=page.language.split("-")[0].lower(),
        categories=tuple(section),
        topics=tuple(topics),
        tags=tuple(_keywords(data) or page.tags),
        comments=items.count(data.get("commentCount")),
        picture_url=_joined(url, picture),
        picture_alt=meta.get("og:image:alt", ""),
    )


def _decoded(content: bytes, content_type: str) -> str:
    declared = re.search(r"charset=[\"']?([\w-]+)", content_type, re.IGNORECASE)
    marked = re.search(rb"<meta[^<>]{0,200}charset=[\"']?([\w-]+)", content[:4096], re.IGNORECASE)
    name = declared[1] if declared else marked[1].decode() if marked else "utf-8"
    try:
        return content[:_LONGEST].decode(name, errors="replace")
    except LookupError:
        return content[:_LONGEST].decode(errors="replace")


def _canonical(page: "_Page", url: str) -> str:
    """The address the page gives itself; a home page is none: sites that name it everywhere are mistaken."""
    for link in (page.canonical, page.meta.get("og:url", "")):
        found = _joined(url, link)
        if found and urlsplit(found).path.strip("/"):
            return found
    return url


def _joined(url: str, link: str) -> str:
    try:
        return links.check(urljoin(url, link.strip())) if link.strip() else ""
    except (errors.BadInput, ValueError):
        return ""


def _author(data: dict[str, Any], meta: dict[str, str]) -> str:
    names = _texts(data.get("author")) or [meta.get("article:author") or "", meta.get("author") or ""]
    # OpenGraph's author is by its standard the address of a profile.
    return ", ".join(dict.fromkeys(name for name in names if name and "://" not in name))


def _keywords(data: dict[str, Any]) -> list[str]:
    return [word for text in _texts(data.get("keywords")) for word in _split(text)]


# Characters of a page that are read; what it says of itself stands before that.
_LONGEST = 1_000_000


class _Page(HTMLParser):
    """Gathers what a page says about itself: title, canonical link, meta marks, JSON-LD scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = self.canonical = self.language = ""
        self.meta: dict[str, str] = {}
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = given.get("lang", "")
        elif tag == "meta":
            name = (given.get("property") or given.get("name") or "").lower()
            if name == "article:tag":
                self.tags.append(given.get("content", ""))
            elif name:
                self.meta.setdefault(name, given.get("content", ""))
        elif tag == "link" and "canonical" in given.get("rel", "").lower().split():
            self.canonical = self.canonical or given.get("href", "")
        elif tag == "title" and not self.title:
            self._inside = "title"
        elif tag == "script" and given.get("type", "").lower() == "application/ld+json":
            self._inside = "script"
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        elif self._inside == "script":
            self.scripts[-1] += data


def _article_data(scripts: list[str]) -> dict[str, Any]:
    for script in scripts:
        try:
            found = json.loads(script)
        except (ValueError, RecursionError):
            continue
        for node in _nodes(found, depth=0):
            kinds = node.get("@type")
            names = kinds if isinstance(kinds, list) else [kinds]
            if any(isinstance(name, str) and name.lower() in _KINDS for name in names):
                return node
    return {}


def _nodes(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > 4:
        return
    if isinstance(value, list):
        for each in value:
            yield from _nodes(each, depth + 1)
    elif isinstance(value, dict):
        yield value
        yield from _nodes(value.get("@graph"), depth + 1)
        yield from _nodes(value.get("mainEntity"), depth + 1)


def _text(value: Any) -> str:
    return ", ".join(_texts(value))


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if isinstance(value, dict):
        return _texts(value.get("name"))
    return [value.strip()] if isinstance(value, str) and value.strip() else []


def _image(value: Any) -> str:
    if isinstance(value, list):
        return next((found for each in value if (found := _image(each))), "")
    if isinstance(value, dict):
        return _image(value.get("url"))
    return value if isinstance(value, str) else ""


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
