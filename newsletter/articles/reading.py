"""Reading a feed document: RSS 2.0, RSS 1.0, Atom or JSON Feed, as drafts, keeping what can be read of a broken one."""

import calendar
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import feedparser

from newsletter import errors, settings
from newsletter.articles import links, wording
from newsletter.articles.publishing import Draft

# Entity declarations serve attacks by expansion and by outside files (ASVS 5.0 V1.5.1); feeds need none.
_ENTITIES = re.compile(rb"<!ENTITY\b", re.IGNORECASE)
_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
# Buttons, counters and advertisements that feed services put into a body.
_NO_PICTURE = re.compile(
    r"feeds\.feedburner\.com/~|feedsportal|pheedo\.com|doubleclick|//ads?\.|/(share|pixel|spacer|icons?|emoji|smilies)[/._-]"
    r"|(facebook|twitter|pinterest|linkedin|google_?plus)[\w-]*\.(gif|png)",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""\b(src|alt|width|height)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)


@dataclass(frozen=True)
class Document:
    """What a feed document held, and in sentences what of it could not be read."""

    title: str
    drafts: list[Draft] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read(content: bytes, *, content_type: str = "", url: str = "", language: str = "") -> Document:
    """The drafts of a document; relative links are completed by `url`. Raises BadInput when it is no feed at all."""
    if _ENTITIES.search(content[:100_000]):
        raise errors.BadInput("The feed declares XML entities, which is refused.")
    is_json = "json" in content_type or content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    return _read_json(content, url, language) if is_json else _read_xml(content, content_type, url, language)


def instant(text: str) -> datetime | None:
    """The instant of an ISO 8601 text, or None; one without an offset is taken as UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _read_xml(content: bytes, content_type: str, url: str, language: str) -> Document:
    headers = {"content-type": content_type or "application/xml", **({"content-location": url} if url else {})}
    parsed = feedparser.parse(io.BytesIO(content), response_headers=headers, sanitize_html=False)
    if not parsed.get("version") and not parsed.entries:
        raise errors.BadInput("This is not a feed: neither RSS, Atom nor JSON Feed.")
    problems = []
    error = parsed.get("bozo_exception") if parsed.get("bozo") else None
    if error is not None and not isinstance(error, feedparser.CharacterEncodingOverride):
        problems.append(_malformed(error))
    drafts = list(_drafts((_entry_draft(entry, url, language) for entry in parsed.entries), problems))
    return Document(wording.plain(parsed.feed.get("title", "")), drafts, problems)


def _malformed(error: Exception) -> str:
    line = getattr(error, "getLineNumber", lambda: None)()
    where = f" at line {line}" if line else ""
    return f"The feed is not well-formed{where}; what could be read was kept."


def _drafts(found: Iterator[Draft], problems: list[str]) -> Iterator[Draft]:
    most = settings.current().feed_items
    for place, draft in enumerate(found, start=1):
        if place > most:
            problems.append(f"The feed has more than {most} items; the first {most} were read.")
            return
        name = wording.plain(draft.headline)
        if not name:
            problems.append(f"Item {place} has no headline and was left out.")
        elif not _is_address(draft.url):
            problems.append(f"Item {place}, “{wording.shortened(name)}”, has no link and was left out.")
        else:
            yield draft


def _is_address(url: str) -> bool:
    try:
        links.check(url)
    except errors.BadInput:
        return False
    return True


def _entry_draft(entry: Any, url: str, language: str) -> Draft:
    contents = [part.get("value", "") for part in entry.get("content", [])]
    summary = entry.get("summary", "")
    body = max([*contents, summary], key=len, default="")
    # Many feeds put the whole article into the summary.
    is_summary = (
        len(wording.plain(summary)) <= 400 and summary != body if contents else len(wording.plain(summary)) <= 400
    )
    picture_url, picture_alt = _picture(entry, body, url)
    terms = [wording.plain(tag.get("label") or tag.get("term") or "") for tag in entry.get("tags", [])]
    link = entry.get("feedburner_origlink") or entry.get("link") or _guid_link(entry)
    return Draft(
        url=urljoin(url, link) if link else "",
        headline=entry.get("title", ""),
        dek=wording.dek(summary if is_summary else "", body),
        body_html=body,
        author=entry.get("author", ""),
        published_at=_instant(entry.get("published_parsed") or entry.get("updated_parsed")),
        language=language,
        guid=entry.get("id", ""),
        categories=tuple(dict.fromkeys(term for term in terms if term)),
        hypes=_count(entry.get("hypes")),
        comments=_count(entry.get("slash_comments")),
        picture_url=picture_url,
        picture_alt=picture_alt,
    )


def _guid_link(entry: Any) -> str:
    guid = str(entry.get("id", ""))
    return guid if guid.startswith(("http://", "https://")) else ""


def _picture(entry: Any, body: str, url: str) -> tuple[str, str]:
    """The largest media picture, else an image enclosure, else the thumbnail, else the body's first real picture."""
    media = [each for each in entry.get("media_content", []) if each.get("url") and _is_image(each)]
    if media:
        best = max(media, key=lambda each: _count(each.get("width")) or 0)
        return urljoin(url, best["url"]), ""
    for link in entry.get("links", []):
        if link.get("rel") == "enclosure" and link.get("type", "").startswith("image/") and link.get("href"):
            return urljoin(url, link["href"]), ""
    thumbnails = [each for each in entry.get("media_thumbnail", []) if each.get("url")]
    if thumbnails:
        return urljoin(url, max(thumbnails, key=lambda each: _count(each.get("width")) or 0)["url"]), ""
    return _body_picture(body, url) or (
        urljoin(url, entry["image"]["href"]) if entry.get("image", {}).get("href") else "",
        "",
    )


def _is_image(media: Any) -> bool:
    kind = media.get("medium") or media.get("type", "")
    return kind.startswith("image") or (
        not kind and re.search(r"\.(jpe?g|png|webp|gif)(\?|$)", media["url"], re.I) is not None
    )


def _body_picture(body: str, url: str) -> tuple[str, str] | None:
    for tag in _IMAGE.findall(body):
        found = {name.lower(): wording.plain(value.strip("\"'")) for name, value in _ATTRIBUTE.findall(tag)}
        source = found.get("src", "")
        # One or two pixels are a counter, not a picture.
        is_pixel = any((_count(found.get(side)) or 100) < 50 for side in ("width", "height"))
        if source and not source.startswith("data:") and not is_pixel and not _NO_PICTURE.search(source):
            return urljoin(url, source), found.get("alt", "")
    return None


def _instant(parts: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(calendar.timegm(parts), UTC) if parts else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _count(value: Any) -> int | None:
    try:
        number = int(str(value).replace(",", ""))
    except ValueError:
        return None
    return number if 0 <= number < 2**31 else None


def _read_json(content: bytes, url: str, language: str) -> Document:
    try:
        document = json.loads(content.decode("utf-8-sig"))
        items = document["items"]
        assert isinstance(items, list)  # noqa: S101 - turned into the sentence below
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
        raise errors.BadInput("This is not a JSON Feed: it has no list of items.") from None
    problems: list[str] = []
    found = (_item_draft(item if isinstance(item, dict) else {}, url, language) for item in items)
    return Document(wording.plain(_text(document, "title")), list(_drafts(found, problems)), problems)


def _item_draft(item: dict[str, Any], url: str, language: str) -> Draft:
    body = _text(item, "content_html") or _text(item, "content_text")
    image = _text(item, "image") or _text(item, "banner_image")
    picture_url, picture_alt = (image, "") if image else (_body_picture(body, url) or ("", ""))
    authors = item.get("authors") or [item.get("author")]
    tags = [tag for tag in (item.get("tags") or []) if isinstance(tag, str)]
    link = _text(item, "url") or _text(item, "external_url") or _text(item, "id")
    return Draft(
        url=urljoin(url, link) if link else "",
        headline=_text(item, "title"),
        dek=wording.dek(_text(item, "summary"), body),
        body_html=body,
        author=", ".join(_text(author, "name") for author in authors if isinstance(author, dict)) if authors else "",
        published_at=instant(_text(item, "date_published") or _text(item, "date_modified")),
        language=language,
        guid=str(item.get("id") or ""),
        categories=tuple(dict.fromkeys(wording.plain(tag) for tag in tags if wording.plain(tag))),
        hypes=_counter(item, "hypes"),
        comments=_counter(item, "comments"),
        picture_url=urljoin(url, picture_url) if picture_url else "",
        picture_alt=picture_alt,
    )


def _counter(item: dict[str, Any], name: str) -> int | None:
    """A counter at the item's top, or in one of its extensions (JSON Feed 1.1: names that begin with _)."""
    extensions = [value for key, value in item.items() if key.startswith("_") and isinstance(value, dict)]
    for place in (item, *extensions):
        if (number := _count(place.get(name))) is not None:
            return number
    return None


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""
