"""Reading JSON Feed 1.0 and 1.1, and the plain lists of articles people export: the items of a JSON document."""

import html
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from newsletter import errors
from newsletter.articles import items
from newsletter.articles.illustration import Image
from newsletter.articles.items import Item


def read(content: bytes, *, most: int) -> tuple[str, list[Item], list[str]]:
    """The title and at most `most` items of a document, and what was wrong with it; raises BadInput when it is none."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise errors.BadInput(f"This is not a JSON Feed: it is broken{place}.") from None
    found = document if isinstance(document, list) else _field(document, "items") or _field(document, "articles")
    if not isinstance(found, list):
        raise errors.BadInput("This is not a JSON Feed: it has no list of items.")
    title = _text(document, "title") if isinstance(document, dict) else ""
    return title, [_item(each) if isinstance(each, dict) else Item() for each in found[:most]], []


def instant(text: str) -> datetime | None:
    """The instant of an ISO 8601 text, or None; one without an offset is taken as UTC."""
    try:
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _item(item: dict[str, Any]) -> Item:
    return Item(
        link=_text(item, "url", "external_url", "link", "id"),
        guid=_text(item, "id", "guid"),
        title=_text(item, "title", "headline"),
        summary=html.escape(_text(item, "summary", "dek", "description")),
        text=_text(item, "content_html", "body_html") or html.escape(_text(item, "content_text")),
        author=", ".join(_authors(item)),
        language=_text(item, "language").split("-")[0].lower(),
        published_at=instant(_text(item, "date_published", "published_at", "date_modified")),
        categories=tuple(_words(item, "tags") + _words(item, "categories")),
        hypes=_counter(item, "hypes"),
        comments=_counter(item, "comments"),
        images=tuple(_images(item)),
    )


def _authors(item: dict[str, Any]) -> Iterator[str]:
    given = item.get("authors") or item.get("author") or []
    for author in given if isinstance(given, list) else [given]:
        if name := _text(author, "name") if isinstance(author, dict) else author if isinstance(author, str) else "":
            yield name


def _images(item: dict[str, Any]) -> Iterator[Image]:
    for name in ("image", "banner_image"):
        yield Image(_text(item, name), _text(item, f"{name}_alt"))
    attachments = item.get("attachments")
    for each in attachments if isinstance(attachments, list) else []:
        if isinstance(each, dict) and _text(each, "mime_type").startswith("image/"):
            yield Image(_text(each, "url"), _text(each, "title"))


def _words(item: dict[str, Any], name: str) -> list[str]:
    value = item.get(name)
    # Some makers write one text with commas in place of the list.
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [word for word in given if isinstance(word, str)]


def _counter(item: dict[str, Any], name: str) -> int | None:
    """A counter at the item's top, or in one of its extensions (JSON Feed 1.1: names that begin with _)."""
    extensions = [value for key, value in item.items() if key.startswith("_") and isinstance(value, dict)]
    counted = (items.count(place.get(name)) for place in (item, *extensions))
    return next((number for number in counted if number is not None), None)


def _field(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None


def _text(item: dict[str, Any], *names: str) -> str:
    values = (item.get(name) for name in names)
    # An id is a number in some feeds, against the standard.
    return next((str(value) for value in values if isinstance(value, str | int) and str(value)), "")
