"""From a feed's markup to clean words: headlines, deks, bodies."""

import html
import re
import unicodedata

import nh3

from newsletter import settings

_BOILERPLATE = re.compile(
    r"(The post\b.{0,300}?\bappeared first on\b.*$|\[(\.\.\.|…|&hellip;|\+\d+ chars)\]|"
    r"(Continue reading|Read more|Read the full (article|story)|Keep reading)\b[^.!?]{0,120}[.…>»→]*\s*$)",
    re.IGNORECASE | re.DOTALL,
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)]*\s+(?=[^a-z])")
_BODY_TAGS = {
    *("p", "br", "a", "em", "strong", "b", "i", "h2", "h3", "h4", "ul", "ol", "li", "blockquote", "code", "pre"),
    *("figure", "figcaption", "hr", "sub", "sup", "cite", "q"),
}


def plain(markup: str) -> str:
    """The words of a piece of markup: no tags, entities, control characters or runs of white space."""
    spaced = re.sub(r"<(br|/p|/div|/li|/h\d)\b[^>]*>", " ", markup, flags=re.IGNORECASE)
    words = html.unescape(nh3.clean(spaced, tags=set(), clean_content_tags={"script", "style"}))
    # Feeds that escape twice leave tags behind that were text a moment ago.
    if re.search(r"<[a-zA-Z/!]", words):
        words = html.unescape(nh3.clean(words, tags=set(), clean_content_tags={"script", "style"}))
    words = "".join(
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") else character for character in words
    )
    return " ".join(words.split())


def dek(summary: str, body: str = "") -> str:
    """The author's summary, else the first sentence, within settings.dek_length; empty rather than wrong."""
    for source, is_summary in ((summary, True), (body, False)):
        words = _without_boilerplate(plain(source))
        if not words:
            continue
        if is_summary and len(words) <= settings.current().dek_length:
            return words
        return shortened(_SENTENCE_END.split(words, maxsplit=1)[0])
    return ""


def shortened(words: str) -> str:
    """At most settings.dek_length characters, cut at a word."""
    length = settings.current().dek_length
    if len(words) <= length:
        return words
    cut = words[: length - 1]
    at_word = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return at_word.rstrip(" ,;:–—-") + "…"


def body(markup: str) -> str:
    """The markup with only what an article's text needs; scripts, frames, styles and handlers are gone."""
    return nh3.clean(markup, tags=_BODY_TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"})


def _without_boilerplate(words: str) -> str:
    before = ""
    while words != before:
        before, words = words, _BOILERPLATE.sub("", words).strip()
    return words
