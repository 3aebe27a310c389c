"""Hostile words in every text the database keeps, and what a browser would make of a page that shows them."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode
from sqlalchemy import JSON, Column, Table, Text, UniqueConstraint, update

from newsletter import db, models

CANARY = "xsscanary"
# Out of an attribute in either quote, an element, a title, a comment, a style, a script, a template; and words alone.
MARKUP = (
    f"\"'><{CANARY} {CANARY}=1 on{CANARY}=x></title></textarea></select></style></script><script>{CANARY}()</script>"
    f"<img src=x onerror={CANARY}()><svg onload={CANARY}()> {CANARY}=1 on{CANARY}=1 {{{{7*191919}}}} ]]> <!-- {CANARY}"
)
# What is made of it where a template reads a value as a template.
CALCULATED = str(7 * 191919)
URL = f"https://magazine.example/\"on{CANARY}=1 {CANARY}=1><{CANARY}>?q='<script>{CANARY}()</script>{{{{7*9}}}}"
# An address may hold these by RFC 5321.
ADDRESS = "o'{{7*191919}}&xsscanary=`1`@readers.example"

# Columns that hold no words of anybody: codes, keys, digests, and what is checked to be one of a few things.
CODES = {
    "accent", "at", "channel", "content_hash", "digest", "domain", "etag", "fonts", "frozen_hash", "guid", "hash",
    "host", "kind", "label", "language", "last_modified", "last_phase", "logo_hash", "message_id", "password_hash",
    "person_digest", "network_digest", "salt", "sealed", "sha256", "slug", "zone", "picture_url", "source_url",
    "address_key", "url_key", "key", "sender",
}  # fmt: skip
# Written once for good, or cleaned when they come in: these are brought by their own doors.
BY_DOOR = {
    "legal_document",
    "consent_wording",
    "consent_record",
    "article.body_html",
    "notice.path",
    "subscriber.address",
}
URLS = {"article.url"}
ADDRESSES = {"message.address", "link_request.address"}
JSONS = {"masthead.labels", "audit_entry.before", "audit_entry.after"}
# Elements' attributes by which a browser goes somewhere or loads something.
_LINKS = {"href", "src", "action", "formaction", "xlink:href", "poster", "data", "background", "cite", "srcset", "ping"}
_SCHEMES = {"", "http", "https", "mailto", "otpauth"}


def poison() -> list[str]:
    """Write hostile words into every column of words; which ones. Committed."""
    written = []
    for table in models.TABLES.sorted_tables:
        values = {column.name: _hostile(table, column) for column in table.columns}
        values = {name: value for name, value in values.items() if value is not None}
        if values:
            db.session.execute(update(table).values(values))
            written += [f"{table.name}.{name}" for name in values]
    db.session.commit()
    return written


def harm(page: str) -> list[str]:
    """What of hostile words became more than words in this page, by the HTML Standard's own parsing."""
    said = [f"calculated: {_around(page, CALCULATED)}"] if CALCULATED in page else []
    return said + [found for node in LexborHTMLParser(page).css("*") for found in _harm_in(node)]


def _hostile(table: Table, column: "Column[Any]") -> Any:
    name = f"{table.name}.{column.name}"
    if table.name in BY_DOOR or name in BY_DOOR or column.name in CODES or _is_unique(table, column):
        return None
    if name in JSONS:
        return {"word": MARKUP, MARKUP: [MARKUP, {"inner": MARKUP}]}
    if isinstance(column.type, JSON) or not isinstance(column.type, Text):
        return None
    # With its name, so that it is known which of them came to be shown.
    return URL if name in URLS else ADDRESS if name in ADDRESSES else f"{MARKUP} from {name}."


def _is_unique(table: Table, column: "Column[Any]") -> bool:
    constraints = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    indexes = [each for each in table.indexes if each.unique]
    return column.primary_key or any(column.name in each.columns for each in (*constraints, *indexes))


def _harm_in(node: LexborNode) -> Iterator[str]:
    tag = node.tag or ""
    if CANARY in tag or tag == "base":
        yield f"element: {_around(node.html or '', CANARY)}"
    if tag in ("script", "style") and CANARY in (node.text() or ""):
        yield f"within {tag}: {_around(node.text() or '', CANARY)}"
    for name, value in node.attributes.items():
        if CANARY in name or name.startswith("on"):
            yield f"attribute: {name} of {tag}"
        elif name in _LINKS and _scheme(value or "") not in _SCHEMES:
            yield f"link: {value}"
        elif name == "style" and CANARY in (value or ""):
            yield f"style: {value}"
        elif name == "srcdoc":
            yield from harm(value or "")


def _scheme(value: str) -> str:
    # As a browser reads it: control characters at the ends, and line ends and tabs within, do not count.
    plain = re.sub(r"[\t\r\n]", "", value.strip("".join(map(chr, range(33)))))
    try:
        return urlsplit(plain).scheme.lower()
    except ValueError:
        return ""


def _around(text: str, what: str) -> str:
    at = text.find(what)
    return text[max(0, at - 100) : at + 60]
