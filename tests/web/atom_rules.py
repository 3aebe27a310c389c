"""What RFC 4287 demands of a feed, and what the W3C feed validator warns of, as one list of complaints."""

import re
from collections import Counter
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import urlsplit
from xml.etree import ElementTree

ATOM = "{http://www.w3.org/2005/Atom}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# RFC 4287 4.1.1, 4.1.2: (most, least) of each child.
IN_FEED = {"id": (1, 1), "title": (1, 1), "updated": (1, 1), "subtitle": (1, 0), "logo": (1, 0), "icon": (1, 0)}
IN_ENTRY = {"id": (1, 1), "title": (1, 1), "updated": (1, 1), "published": (1, 0), "summary": (1, 0), "content": (1, 0)}
MANY = {"author", "contributor", "category", "link", "entry"}
TEXTS = ("title", "subtitle", "summary", "rights")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
UNDESIRABLE = {"script", "style", "object", "embed", "applet", "iframe", "form", "meta", "link", "base"}


def complaints(document: bytes) -> list[str]:
    """Everything wrong, in words; empty for a feed the validator calls valid and does not warn of."""
    feed = ElementTree.fromstring(document)
    if feed.tag != f"{ATOM}feed":
        return ["the document is no Atom feed"]
    found = [*_counted(feed, IN_FEED), *_values(feed)]
    selves = [link for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
    if len(selves) != 1:
        found.append("a feed needs one link to itself")
    entries = feed.findall(f"{ATOM}entry")
    if not feed.findall(f"{ATOM}author") and not all(entry.findall(f"{ATOM}author") for entry in entries):
        found.append("neither the feed nor an entry has an author")
    for entry in entries:
        found += [*_counted(entry, IN_ENTRY), *_values(entry), *_body(entry)]
    pairs = Counter((entry.findtext(f"{ATOM}id"), entry.findtext(f"{ATOM}updated")) for entry in entries)
    found += [f"two entries are the same: {pair}" for pair, times in pairs.items() if times > 1]
    ids = Counter(entry.findtext(f"{ATOM}id") for entry in entries)
    found += [f"two entries have one id: {name}" for name, times in ids.items() if times > 1]
    return found


def _counted(element, rules):
    names = Counter(child.tag.removeprefix(ATOM) for child in element)
    for name, (most, least) in rules.items():
        if not least <= names[name] <= most:
            yield f"{names[name]} {name} in {element.tag.removeprefix(ATOM)}"
    yield from (f"{name} is not of Atom" for name in names if name not in rules and name not in MANY)


def _values(element):
    for child in element:
        name, text = child.tag.removeprefix(ATOM), (child.text or "").strip()
        if name == "id" and not _is_absolute(text):
            yield f"{text!r} is no absolute IRI"
        if name in ("updated", "published"):
            if not MOMENT.fullmatch(text):
                yield f"{text!r} is no RFC 3339 moment"
            elif not 1970 <= datetime.fromisoformat(text).year <= 2100:
                yield f"{text!r} cannot be"
        if name in TEXTS:
            yield from _text(name, child, text)
        if name == "author" and not (child.findtext(f"{ATOM}name") or "").strip():
            yield "an author without a name"
        if name == "category" and not child.get("term"):
            yield "a category without a term"
    yield from _links(element)
    if element.get(LANG) and not re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", element.get(LANG)):
        yield f"{element.get(LANG)!r} is no language"


def _text(name, child, text):
    kind = child.get("type", "text")
    if kind not in ("text", "html", "xhtml") or len(child):
        yield f"{name} is no text"
    if not text:
        yield f"{name} is empty"
    if kind == "text" and re.search(r"&(amp|lt|gt|#\d+);|</?[a-z]+>", text):
        yield f"{name} seems to hold markup: {text!r}"
    if kind == "html":
        reader = _Html()
        reader.feed(text)
        yield from reader.found


def _links(element):
    links = element.findall(f"{ATOM}link")
    for link in links:
        if not _is_absolute(link.get("href", "")):
            yield f"a link to {link.get('href')!r}"
    alternates = Counter(
        (link.get("type"), link.get("hreflang")) for link in links if link.get("rel", "alternate") == "alternate"
    )
    yield from (f"two alternate links of one kind: {kind}" for kind, times in alternates.items() if times > 1)


def _body(entry):
    content = entry.find(f"{ATOM}content")
    links = [link for link in entry.findall(f"{ATOM}link") if link.get("rel", "alternate") == "alternate"]
    if content is None:
        return [] if links else ["an entry has neither content nor a link"]
    reader = _Html()
    reader.feed(content.text or "")
    return reader.found if content.get("type") == "html" else [f"content of type {content.get('type')}"]


class _Html(HTMLParser):
    """The warnings of the validator about HTML: undesirable elements and attributes, relative addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag in UNDESIRABLE:
            self.found.append(f"content holds <{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.found.append(f"content holds {name}=")
            if name in ("href", "src") and not _is_absolute(value or ""):
                self.found.append(f"content has the relative address {value!r}")


def _is_absolute(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc) and not re.search(r'[\s<>"{}|\\^`]', text)
