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
_BLOCK_END = re.compile(r"</(?:p|div|li|h\d|td|tr|blockquote|figcaption|table)\s*>|<br\s*/?>", re.IGNORECASE)
_SAYS_SOMETHING = 25  # characters; shorter openings in feeds were labels and interjections
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
    whole = _without_boilerplate(plain(summary))
    if whole and len(whole) <= settings.current().dek_length:
        return whole
    for source in (summary, body):
        if opening := _opening(source):
            return shortened(_first_sentence(opening))
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


def _opening(markup: str) -> str:
    """The words of the first paragraph that says something: a label like "Price: 15.50" does not."""
    blocks = [_without_boilerplate(plain(block)) for block in _BLOCK_END.split(markup)]
    return next((block for block in blocks if len(block) >= _SAYS_SOMETHING), next(filter(None, blocks), ""))


def _first_sentence(words: str) -> str:
    """The first sentence; with the next while it is too short to tell anything ("Again!")."""
    told = ""
    for sentence in _SENTENCE_END.split(words):
        told = f"{told} {sentence}".strip()
        if len(told) >= _SAYS_SOMETHING:
            break
    return told


def _without_boilerplate(words: str) -> str:
    before = ""
    while words != before:
        before, words = words, _BOILERPLATE.sub("", words).strip()
    return words
