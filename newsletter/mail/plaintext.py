"""Text as it may stand in a mail: without control characters, wrapped to 76 columns."""

import re

WIDTH = 76  # RFC 5322 2.1.1 asks for at most 78

# C0 but tab and newline, DEL, C1, and halves of surrogate pairs, which no encoding can carry.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")


def clean(text: str) -> str:
    """`text` without control characters, its lines ended by newlines."""
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))


def wrap(text: str, indent: str = "") -> str:
    """`text` in lines of at most 76 characters, its paragraphs kept; a URL is never broken, any other long word is."""
    return "\n\n".join("\n".join(_lines(paragraph.split(), indent)) for paragraph in paragraphs(text))


def paragraphs(text: str) -> list[str]:
    """What stands between empty lines, nothing empty."""
    return [part for part in re.split(r"\n[ \t]*\n", clean(text)) if part.strip()]


def attribute(text: str) -> str:
    """`text` for an HTML attribute: the serialised document leaves < and > bare there, which scanners take for tags."""
    return (
        clean(text)
        .replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")
        .replace(">", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}")
    )


def _lines(words: list[str], indent: str) -> list[str]:
    lines = [indent]
    for word in _broken(words, WIDTH - len(indent)):
        joined = f"{lines[-1]} {word}" if lines[-1] != indent else indent + word
        if len(joined) <= WIDTH or lines[-1] == indent:
            lines[-1] = joined
        else:
            lines.append(indent + word)
    return lines


def _broken(words: list[str], width: int) -> list[str]:
    pieces = []
    for word in words:
        is_url = "://" in word or word.startswith("mailto:")
        step = len(word) if is_url else width
        pieces += [word[start : start + step] for start in range(0, len(word), step)]
    return pieces
