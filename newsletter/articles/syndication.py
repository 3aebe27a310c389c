"""Reading RSS 2.0, RSS 1.0 and Atom: the items of an XML feed, keeping what can be read of a broken one."""

import calendar
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import feedparser

from newsletter import errors
from newsletter.articles import illustration, items, wording
from newsletter.articles.illustration import Image
from newsletter.articles.items import Item

# A picture's caption is to feedparser the item's own summary; under a name it does not know it is not.
_CAPTION = re.compile(rb"<(/?)media:(title|description)\b[^<>]*?(/?)>")


def read(content: bytes, *, content_type: str, url: str, most: int) -> tuple[str, list[Item], list[str]]:
    """The title and at most `most` items of a feed, and what was wrong with it; raises BadInput when it is none."""
    content = _readable(content)
    _refuse_entities(content)
    headers = {"content-type": content_type or "application/xml", **({"content-location": url} if url else {})}
    renamed = _CAPTION.sub(rb"<\1media:caption_\2\3>", content)
    # A stream: a plain string feedparser would take for an address to fetch or a file to open.
    parsed = feedparser.parse(
        io.BytesIO(renamed), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )
    if not parsed.get("version") and not parsed.entries:
        raise errors.BadInput(_not_a_feed(content))
    problems = [_malformed(parsed.bozo_exception)] if parsed.bozo and _matters(parsed.bozo_exception) else []
    return parsed.feed.get("title", ""), [_item(entry) for entry in parsed.entries[:most]], problems


def _readable(content: bytes) -> bytes:
    # feedparser 6.0.14 takes UTF-16 with a byte order mark for UTF-8.
    if not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content
    text = content.decode("utf-16", errors="replace")
    return re.sub(r"""(<\?xml\b[^>]*?)\sencoding=["'][^"']*["']""", r"\1", text, count=1).encode(errors="replace")


def _refuse_entities(content: bytes) -> None:
    # Declared entities serve attacks by expansion and by outside files (ASVS 5.0 V1.5.1); feeds need none. An article
    # may well speak of them, so only what stands before the first element counts.
    head, place = content.replace(b"\0", b""), 0
    while (place := head.find(b"<", place)) >= 0:
        if head.startswith(b"<!--", place):
            place = head.find(b"-->", place)
        elif head.startswith(b"<?", place):
            place = head.find(b"?>", place)
        elif head[place : place + 8].upper() == b"<!ENTITY":
            raise errors.BadInput("The feed declares XML entities, which is refused.")
        elif not head.startswith(b"<!", place):
            return
        if place < 0:
            return
        place += 1


def _not_a_feed(content: bytes) -> str:
    if re.search(rb"<(!doctype\s+html|html|body)\b", content[:5000], re.IGNORECASE):
        return "This is a web page, not a feed: it is neither RSS, Atom nor JSON Feed."
    return "This is not a feed: neither RSS, Atom nor JSON Feed."


def _matters(error: Exception) -> bool:
    harmless = (feedparser.CharacterEncodingOverride, feedparser.NonXMLContentType)
    return not isinstance(error, harmless)


def _malformed(error: Exception) -> str:
    line = getattr(error, "getLineNumber", lambda: None)()
    where = f" at line {line}" if line else ""
    return f"The feed is not well-formed{where}; what could be read was kept."


def _item(entry: Any) -> Item:
    contents = [part.get("value", "") for part in entry.get("content", [])]
    summary, text = entry.get("summary", ""), max(contents, key=len, default="")
    if not text and len(wording.plain(summary)) > _LONGEST_SUMMARY:
        # Many feeds put the whole article into the summary.
        summary, text = "", summary
    terms = (tag.get("label") or tag.get("term") or "" for tag in entry.get("tags", []))
    return Item(
        link=entry.get("feedburner_origlink") or entry.get("link") or _linked(entry),
        guid=entry.get("id", ""),
        title=entry.get("title", ""),
        summary=summary,
        text=text,
        author=_author(entry),
        published_at=_instant(entry.get("published_parsed") or entry.get("updated_parsed")),
        categories=tuple(terms),
        hypes=items.count(entry.get("hypes")),
        comments=items.count(entry.get("slash_comments") or entry.get("thr_total")),
        images=tuple(_images(entry)),
    )


_LONGEST_SUMMARY = 400  # characters


def _linked(entry: Any) -> str:
    guid = str(entry.get("id", ""))
    if guid.startswith(("http://", "https://")):
        return guid
    return next((link["href"] for link in entry.get("links", []) if link.get("rel") == "alternate"), "")


def _author(entry: Any) -> str:
    names = [author.get("name", "") for author in entry.get("authors", [])]
    return ", ".join(dict.fromkeys(name for name in names if name)) or entry.get("author", "")


def _images(entry: Any) -> Iterator[Image]:
    media = [each for each in entry.get("media_content", []) if each.get("url") and _is_image(each)]
    caption = wording.plain(entry.get("media_caption_description") or "") if len(media) == 1 else ""
    for each in media:
        yield Image(
            each["url"], caption if len(caption) <= _LONGEST_ALT else "", illustration.pixels(each.get("width"))
        )
    for link in entry.get("links", []):
        if link.get("rel") == "enclosure" and link.get("type", "").startswith("image/"):
            yield Image(link.get("href", ""))
    for each in entry.get("media_thumbnail", []):
        yield Image(each.get("url", ""), "", illustration.pixels(each.get("width")))
    image = entry.get("image", {})
    yield Image(image.get("href") or image.get("url") or "")


_LONGEST_ALT = 200  # characters; more is an article's caption, not what a picture shows


def _is_image(media: Any) -> bool:
    kind = media.get("medium") or media.get("type") or ""
    return kind.startswith("image") or (not kind and illustration.is_named_so(media["url"]))


def _instant(parts: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(calendar.timegm(parts), UTC) if parts else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None
