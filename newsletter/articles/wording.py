"""From a feed's markup to clean words: headlines, deks, bodies."""

import html
import re
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import urljoin

import nh3

from newsletter import settings

_MARKUP_LEFT = re.compile(r"<[a-zA-Z/!?]|&(#\w+|\w+);")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
# Tags that end by themselves do not nest.
_FLAT = {"br", "hr", "img", "p", "li", "td", "th", "tr", "dt", "dd", "input", "meta", "link", "source", "option"}
_DEEPEST = 200
_SPACED = re.compile(r"<(?:br|/?p|/?div|/?li|/?h\d|/?td|/?tr|/?blockquote|/?figcaption)\b[^<>]*>", re.IGNORECASE)
_GONE = {"script", "style", "form", "button", "select", "textarea", "svg", "math", "iframe", "object", "template"}
# Invisible: soft hyphen, zero-width space, word joiner, byte order mark; and the marks that reorder what is read.
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])

_BOILERPLATE = re.compile(
    r"((The post|Der Beitrag|L[’']article|La entrada|L[’']articolo|Het bericht|O post)\b.{0,300}?"
    r"\b(appeared first on|erschien zuerst auf|est apparu en premier sur|se publicó primero en|apareció primero en"
    r"|proviene da|verscheen eerst op|apareceu primeiro em)\b.*$"
    r"|\[\+\d+ chars\]|\s∞?\s*Permalink$|\bsubmitted by /?u/\S+.*$"
    r"|\bSee omnystudio\.com/listener for privacy information\.?"
    r"|(Continue reading|Read more|Read the (full|rest of the|whole) (article|story|post|entry)|Read on|Keep reading"
    r"|View (the )?(entire|full|original) (post|article)|Click here to read)\b[^.!?]{0,120}[.…>»→]*\s*$)",
    re.IGNORECASE | re.DOTALL,
)
_CUT_OFF = re.compile(r"(\s*(\[\s*(\.\.\.|…|&hellip;)\s*\]|\(\s*(more\s*)?(\.\.\.|…)\s*\)|\.\.\.|…)\s*)+$")
_TAIL = 80  # characters in which the mark of a cut-off text is looked for
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s+(?=[^a-z])|[。！？][」』”]*")
# What ends in a full stop without ending a sentence; single capitals are initials.
_SHORTHAND = re.compile(
    r"(?:^|[\s(“\"'])(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|feat|ft|Vol|Inc|Ltd|Co|Corp|Gen|Sen|Rep|Gov|Capt|Mt|approx|ca"
    r"|e\.g|i\.e|a\.m|p\.m|No(?=\.\s+\d)|(?:[A-Z]\.)*[A-Z])\.$"
)
_SAYS_SOMETHING = 25  # characters; shorter openings in feeds were labels and interjections
_LONGEST = 20_000  # characters of markup that are looked at for a line of words
_ESCAPES = 10
_OPENING = 20_000  # characters of a body in which its first paragraph is looked for
_BODY_TAGS = {
    *("p", "br", "a", "em", "strong", "b", "i", "h2", "h3", "h4", "ul", "ol", "li", "blockquote", "code", "pre"),
    *("figure", "figcaption", "hr", "sub", "sup", "cite", "q"),
}


def plain(markup: str) -> str:
    """The words of a piece of markup, for one line: no tags, entities, control characters or runs of white space."""
    words = _stripped(storable(markup[:_LONGEST]))
    # Feeds that escape twice, or three times, leave tags behind that were text a moment ago.
    for _ in range(_ESCAPES):
        if not _MARKUP_LEFT.search(words):
            break
        words = _stripped(words)
    # "a <b" is not markup to a parser; to a careless mail program it may be.
    words = re.sub(r"<(?=[<a-zA-Z/!?])", "", words)
    shown = (" " if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Cs") else each for each in words)
    return " ".join(unicodedata.normalize("NFC", "".join(shown)).translate(_INVISIBLE).split())


def dek(summary: str, body: str = "", *, headline: str = "") -> str:
    """The author's summary, else the first sentence, within settings.dek_length; empty rather than wrong.

    Of a longer summary as many sentences as fit. What only repeats the headline, introduces a quotation ("She said:")
    or is a label is passed over.
    """
    length = settings.current().dek_length
    whole = _told(plain(summary), headline)
    if whole and len(whole) <= length:
        return whole
    if opening := _opening(summary, headline):
        return shortened(_sentences_within(opening, length))
    return shortened(_sentences_within(_opening(body, headline), _SAYS_SOMETHING))


def shortened(words: str, length: int | None = None) -> str:
    """At most `length` (settings.dek_length) characters, cut at a word."""
    length = length or settings.current().dek_length
    if len(words) <= length:
        return words
    cut = words[: length - 1]
    at_word = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return at_word.rstrip(" ,;:–—-.") + "…"


def body(markup: str, *, base: str = "") -> str:
    """The markup with only what an article's text needs, links completed by `base`; scripts, frames, handlers gone."""
    return nh3.clean(
        unknotted(storable(markup)),
        tags=_BODY_TAGS,
        clean_content_tags=_GONE,
        attributes={"a": {"href"}},
        attribute_filter=lambda _tag, _name, value: _completed(value, base),
        url_schemes={"http", "https", "mailto"},
    )


def storable(text: str) -> str:
    """The text without what UTF-8 or PostgreSQL cannot hold: half surrogate pairs, which JSON can spell, and NUL."""
    return text.encode(errors="ignore").decode().replace("\0", "")


def unknotted(markup: str) -> str:
    """The markup, without any tag if they stand too deep: nh3 needs 100 s for 200,000 nested ones (1 MB)."""
    open_tags: Counter[str] = Counter()
    for slash, name in _TAG.findall(markup) if markup.count("<") > _DEEPEST else ():
        if name.lower() not in _FLAT:
            open_tags[name.lower()] += -1 if slash and open_tags[name.lower()] else (0 if slash else 1)
            if open_tags.total() > _DEEPEST:
                return re.sub(r"<[^<>]*>|<", " ", markup)
    return markup


def _completed(link: str, base: str) -> str | None:
    try:
        return urljoin(base, link)
    except ValueError:
        return None


def _stripped(markup: str) -> str:
    spaced = _SPACED.sub(" ", unknotted(markup))
    return html.unescape(nh3.clean(spaced, tags=set(), clean_content_tags={"script", "style"}))


def _told(words: str, headline: str) -> str:
    """What a paragraph says beside boilerplate and the headline; nothing when it ends in a colon."""
    before = ""
    while words != before:
        before, words = words, _BOILERPLATE.sub("", words).strip()
    if headline and words.casefold().startswith(headline.casefold()) and len(words) < len(headline) + 60:
        # Drupal and Medium put headline, author and date before the text.
        return ""
    kept, end = words[:-_TAIL], words[-_TAIL:]
    if _CUT_OFF.search(end):
        words = _without_fragment((kept + _CUT_OFF.sub("", end)).rstrip(" ,;:–—-"))
    return "" if words.endswith((":", "：")) else words.rstrip(" ,;–—-→»›|")


def _without_fragment(words: str) -> str:
    """Words that were cut off, without their half sentence where a whole one stands before it."""
    complete = [end.end() for end in _ends(words)]
    if words.endswith((".", "!", "?", "”", "。")) or not words:
        return words
    if complete and complete[-1] >= _SAYS_SOMETHING:
        return words[: complete[-1]].strip()
    return f"{words}…"


def _opening(markup: str, headline: str) -> str:
    """The words of the first paragraph that says something: a label like "Price: 15.50" does not."""
    paragraphs = _Paragraphs()
    # CDATA marks make html.parser give up; nh3 has made them comments and dropped those.
    paragraphs.feed(nh3.clean(unknotted(storable(markup[:_OPENING])), clean_content_tags=_GONE))
    paragraphs.close()
    told = (_told(plain(words), headline) for words in paragraphs.found())
    return next((words for words in told if len(words) >= _SAYS_SOMETHING), "")


def _sentences_within(words: str, length: int) -> str:
    """The first sentence, and the next ones while all fit into `length` or until something is said."""
    ends = [end.end() for end in _ends(words)] + [len(words)]
    best = ends[0]
    for end in ends[1:]:
        if len(words[:best].strip()) < _SAYS_SOMETHING or len(words[:end].strip()) <= length:
            best = end
    return words[:best].strip()


def _ends(words: str) -> "list[re.Match[str]]":
    ends = _SENTENCE_END.finditer(words)
    return [end for end in ends if not _SHORTHAND.search(words[max(0, end.start() - 20) : end.start() + 1])]


class _Paragraphs(HTMLParser):
    """Gathers the running text of a body paragraph by paragraph: no headings, captions, code or link lists."""

    _BLOCKS = frozenset(
        ("p", "div", "li", "blockquote", "section", "article", "ul", "ol", "br", "hr", "h4", "td", "tr")
    )
    # No h4: it is where Medium puts the author's summary.
    _ASIDE = frozenset(("figure", "figcaption", "pre", "nav", "aside", "footer", "h1", "h2", "h3", "h5", "h6", "dl"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._words: list[str] = [""]
        self._linked: list[int] = [0]
        self._aside = self._link = 0

    def found(self) -> list[str]:
        """The paragraphs, without those that are one link."""
        return [
            html.escape(words)
            for words, linked in zip(self._words, self._linked, strict=True)
            if len(words.strip()) > linked
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._aside += tag in self._ASIDE
        self._link += tag == "a"
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        self._aside -= tag in self._ASIDE
        self._link -= tag == "a"
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._aside:
            self._words[-1] += data
            self._linked[-1] += len(data.strip()) if self._link else 0

    def _break(self, tag: str) -> None:
        if tag in self._BLOCKS or tag in self._ASIDE:
            self._words.append("")
            self._linked.append(0)
