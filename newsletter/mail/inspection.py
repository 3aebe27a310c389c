"""What is wrong with a finished mail: looked for in its bytes, as its reader would get them."""

import email
import email.policy
import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from html.parser import HTMLParser

from newsletter.mail import links, slots


class Rule(enum.StrEnum):
    """What a mail is looked through for."""

    PLACEHOLDER = "placeholder"
    UNFILLED = "unfilled"
    EMPTY_LINK = "empty_link"
    SIZE = "size"
    FOOTER = "footer"
    HEADERS = "headers"
    ALT = "alt"


@dataclass(frozen=True)
class Flaw:
    """One thing found: what it breaks, and the words of the mail, or the sentence, that say so."""

    rule: Rule
    said: str


@dataclass(frozen=True)
class Expected:
    """What a mail has to hold: its reader's token, the postal address; and how large its HTML may be, in bytes."""

    token: str
    postal_address: str
    html_bytes: int


@dataclass(frozen=True)
class Inspected:
    """A mail looked through."""

    flaws: list[Flaw]
    urls: list[str]  # every web address it links to, in order, each once
    subject: str
    html_bytes: int


# Words that stand for words to come. TK Maxx is a shop, TK-421 and TK 1984 are names: those pass.
_PLACEHOLDERS = re.compile(
    r"(?<![\w-])(?:TK(?:TK)+|TK(?![\s-]?\d)(?!\s+(?i:maxx)))(?![\w-])"
    r"|(?<!\w)X{3,}(?!\w)"
    r"|(?i:\blorem\s+ipsum\b)"
)
# What a template, ours or another program's, would have filled.
_UNFILLED = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\*\|[^|*\n]+\|\*|%%\w+%%|%\(\w+\)[sd]|" + "|".join((slots.TOKEN, slots.ADDRESS)),
    re.DOTALL,
)
# RFC 5322 3.6, RFC 2045, RFC 2919, RFC 2369, RFC 8058: each exactly once in a mail to a list.
_HEADERS = (
    *("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
)


def placeholders(text: str) -> list[str]:
    """The words of a text that were to be replaced: TK, lorem ipsum, XXX."""
    return [found[0] for found in _PLACEHOLDERS.finditer(text)]


def unfilled(text: str) -> list[str]:
    """The tags in a text that something was to fill."""
    return [found[0] for found in _UNFILLED.finditer(text)]


def inspect(raw: bytes, expected: Expected) -> Inspected:
    """Look through a digest as it leaves; what is no MIME of two parts has the flaw "headers"."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    html, text = _part(message, "html"), _part(message, "plain")
    page = _Page()
    page.feed(html)
    page.close()
    subject = str(message.get("Subject", ""))
    flaws = [
        *_words(subject, page.text, text),
        *(Flaw(Rule.EMPTY_LINK, words) for words in page.empty_links),
        *_size(html, expected),
        *_footer(page, text, expected),
        *_headers(message, html, text, expected),
        *(Flaw(Rule.ALT, source) for source in page.without_alt),
    ]
    urls = dict.fromkeys(url for url in page.urls if url.startswith(("http://", "https://")))
    return Inspected(list(dict.fromkeys(flaws)), list(urls), subject, len(html.encode()))


def _part(message: EmailMessage, subtype: str) -> str:
    parts = [part for part in message.walk() if part.get_content_type() == f"text/{subtype}"]
    return str(parts[0].get_content()) if len(parts) == 1 else ""


def _words(*texts: str) -> Iterator[Flaw]:
    for text in texts:
        flat = " ".join(text.split())
        yield from (Flaw(Rule.PLACEHOLDER, found) for found in placeholders(flat))
        yield from (Flaw(Rule.UNFILLED, found) for found in unfilled(flat))


def _size(html: str, expected: Expected) -> Iterator[Flaw]:
    size = len(html.encode())
    if size > expected.html_bytes:
        limit = expected.html_bytes // 1000
        yield Flaw(Rule.SIZE, f"Its HTML has {size // 1000} KB. Above {limit} KB mail programs cut it off.")


def _footer(page: "_Page", text: str, expected: Expected) -> Iterator[Flaw]:
    postal = " ".join(expected.postal_address.split())
    seen, read = " ".join(page.text.split()), " ".join(text.split())
    leaving = links.unsubscribe(expected.token)
    if not postal or postal not in seen or postal not in read:
        yield Flaw(Rule.FOOTER, "The postal address is missing.")
    if leaving not in page.urls or leaving not in read:
        yield Flaw(Rule.FOOTER, "The link to unsubscribe is missing.")
    if links.preferences(expected.token) not in page.urls:
        yield Flaw(Rule.FOOTER, "The link to the preferences is missing.")


def _headers(message: EmailMessage, html: str, text: str, expected: Expected) -> Iterator[Flaw]:
    for name in _HEADERS:
        count = len(message.get_all(name, []))
        if count != 1:
            yield Flaw(Rule.HEADERS, f"The header {name} is missing." if not count else f"{name} stands {count} times.")
    if "Subject" in message and not str(message["Subject"]).strip():
        yield Flaw(Rule.HEADERS, "The subject is empty.")
    if not html or not text:
        yield Flaw(Rule.HEADERS, "The mail has not both an HTML and a text part.")
    # RFC 8058 3.1: an https address, and this value to the letter.
    leaving = str(message.get("List-Unsubscribe", ""))
    if "List-Unsubscribe" in message and f"<{links.unsubscribe(expected.token)}>" not in re.sub(r"\s", "", leaving):
        yield Flaw(Rule.HEADERS, "List-Unsubscribe does not hold the reader’s own link.")
    if message.get("List-Unsubscribe-Post", "List-Unsubscribe=One-Click") != "List-Unsubscribe=One-Click":
        yield Flaw(Rule.HEADERS, "List-Unsubscribe-Post does not say One-Click.")


@dataclass
class _Link:
    """An open link: where it leads, and the words and pictures it shows so far."""

    url: str
    words: str = ""


@dataclass
class _Page(HTMLParser):
    """What of a mail's HTML is seen: its words, links, and pictures without a description."""

    text: str = ""
    urls: list[str] = field(default_factory=list)
    empty_links: list[str] = field(default_factory=list)
    without_alt: list[str] = field(default_factory=list)
    _unseen: int = 0
    _link: _Link | None = None

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("style", "script"):
            self._unseen += 1
        elif tag == "a":
            self._link = _Link(given.get("href", "").strip())
            self.urls.append(self._link.url)
        elif tag == "img":
            self._see(given.get("alt", ""))
            if not given.get("alt", "").strip():
                self.without_alt.append(given.get("src", ""))
            if self._link:
                self._link.words += given.get("alt") or "a picture"
        elif tag in ("p", "td", "tr", "br", "li", "h1", "h2", "h3", "div"):
            self.text += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script"):
            self._unseen -= 1
        elif tag == "a" and self._link:
            if self._link.url in ("", "#") or not self._link.words.strip():
                self.empty_links.append(" ".join(self._link.words.split()) or self._link.url)
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._see(data)
            if self._link:
                self._link.words += data

    def _see(self, words: str) -> None:
        self.text += words
