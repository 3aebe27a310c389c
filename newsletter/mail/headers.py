"""Header values made harmless, and lines no program misreads: each kind of header folds in its own way."""

import base64
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from newsletter import errors

# RFC 2047 2: an encoded-word has at most 75 characters, a line that holds one at most 76.
_ENCODED_LINE = 76
# RFC 5322 2.1.1
LINE = 998
# RFC 5322 3.2.3
DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_WHITESPACE = re.compile("[\t\n\x0b\x0c\r\x1c-\x1f \x85\u2028\u2029]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


def clean(value: str) -> str:
    """The one cleaner of every header value: one line, no control characters, nothing a parser decodes.

    CPython before 3.11.10 decodes an encoded-word in a value it is given and writes what comes out, line breaks
    included, as headers of its own (CVE-2024-6923). So none leaves this function.
    """
    value = _WHITESPACE.sub(" ", value)
    value = "".join(character for character in value if unicodedata.category(character) not in ("Cc", "Cs"))
    return value.replace("=?", "= ?").strip()


def text(name: str, value: str) -> str:
    """An unstructured header (Subject): plain where it is ASCII, else RFC 2047 encoded-words."""
    value = clean(value)
    words = value.split(" ")
    if value.isascii() and all(len(word) < _ENCODED_LINE - len(name) - 2 for word in words):
        return folded(name, words)
    return folded(name, _encoded_words(value, _ENCODED_LINE - len(name) - 2))


def phrase(value: str) -> str:
    """A display name: atoms, a quoted string, or RFC 2047 encoded-words."""
    value = clean(value)
    if not value:
        return ""
    if not value.isascii() or len(value) > 60:
        return " ".join(_encoded_words(value, 60))
    if _ATOMS.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def date(at: datetime) -> str:
    """An instant as Date tells it, in UTC whatever its zone (RFC 5322 3.3)."""
    return format_datetime(at.astimezone(UTC))


def structured(name: str, parts: Sequence[str]) -> str:
    """A header machines read (List-Id, List-Unsubscribe): ASCII, never encoded, folded only between `parts`."""
    for part in parts:
        if not part.isascii() or clean(part) != part:
            raise errors.BadInput(f"{name} cannot hold {part!r}.", field=name)
    return folded(name, parts)


def folded(name: str, parts: Sequence[str]) -> str:
    """The header of these words, a new line begun between two of them where the last is full."""
    lines = [f"{name}:"]
    for part in parts:
        if lines[-1] != f"{name}:" and len(lines[-1]) + 1 + len(part) > _ENCODED_LINE:
            lines.append("")
        lines[-1] += f" {part}"
    return "\r\n".join(lines)


def ascii_phrase(value: str) -> str:
    """A phrase for List-Id, which no encoded-word may stand in: accents dropped, other scripts left out."""
    folded = unicodedata.normalize("NFKD", clean(value)).encode("ascii", "ignore").decode()
    return phrase(clean(folded)[:60].strip())


def check(head: bytes, names: Sequence[str]) -> None:
    """Refuse a finished header block (CRLF lines) that is not exactly these headers, each once, in 7-bit lines."""
    lines = head.split(b"\r\n")
    found = [line.split(b":", 1)[0].decode("latin-1") for line in lines if line[:1] not in (b" ", b"\t")]
    if found != list(names) or len(set(names)) != len(names):
        raise errors.BadInput(f"The mail would have had other headers than meant: {', '.join(found)}.", field="headers")
    for line in lines:
        if len(line) > LINE or not line.strip() or any(byte < 0x20 or byte > 0x7E for byte in line):
            raise errors.BadInput("A header line of the mail cannot be sent.", field=found[0])


def _encoded_words(value: str, first: int) -> list[str]:
    """`value` in encoded-words, B or Q, whichever is shorter; the first has `first` columns, no character is cut."""
    quoted = sum(len(_q(character)) for character in value) <= len(value.encode()) * 4 / 3
    words, room = [""], min(first, 75) - 12
    for character in value:
        if _width(words[-1] + character, quoted=quoted) > room:
            words.append("")
            room = 75 - 12
        words[-1] += character
    return [_encoded_word(word, quoted=quoted) for word in words]


def _encoded_word(word: str, *, quoted: bool) -> str:
    if quoted:
        return f"=?utf-8?q?{''.join(map(_q, word))}?="
    return f"=?utf-8?b?{base64.b64encode(word.encode()).decode()}?="


def _width(word: str, *, quoted: bool) -> int:
    return sum(len(_q(character)) for character in word) if quoted else -(-len(word.encode()) // 3) * 4


def _q(character: str) -> str:
    """RFC 2047 4.2, restricted to what may also stand in a phrase (5 (3))."""
    if character == " ":
        return "_"
    if character.isascii() and (character.isalnum() or character in "!*+-/"):
        return character
    return "".join(f"={byte:02X}" for byte in character.encode())
