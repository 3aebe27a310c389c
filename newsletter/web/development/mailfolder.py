"""The folder of .eml files that the development transport writes, read as somebody's inbox."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from functools import lru_cache
from pathlib import Path

from newsletter import errors, settings

PAGE = 50
# Far more than the headers of a mail of ours take.
_HEADER_BYTES = 16_384
# What one page shows of one mail.
_MAIL_BYTES = 5_000_000
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.eml")


@dataclass(frozen=True)
class Line:
    """One mail in the list."""

    name: str
    to: str
    subject: str
    arrived_at: datetime
    size: int


@dataclass(frozen=True)
class Listing:
    """A page of the list, the newest first, and how many mails there are in all that match."""

    lines: list[Line]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


@dataclass(frozen=True)
class Letter:
    """One mail: its parts as text ("" where it has none), its headers in order, and its bytes."""

    line: Line
    html: str
    text: str
    headers: list[tuple[str, str]]
    source: bytes


@dataclass(frozen=True)
class _File:
    name: str
    path: str
    changed_ns: int
    size: int


def listing(*, words: str = "", page: int = 1) -> Listing:
    """A page of the mails whose address or subject holds the words. Only what a page needs is read."""
    files = sorted(_files(), key=lambda file: (file.changed_ns, file.name), reverse=True)
    if words:
        wanted = words.casefold()
        files = [file for file in files if wanted in "\n".join(_heading(file)).casefold()]
    page = min(max(page, 1), max(1, -(-len(files) // PAGE)))
    return Listing([_line(file) for file in files[(page - 1) * PAGE : page * PAGE]], len(files), page)


def letter(name: str) -> Letter:
    """The mail of a file's name; raises NotFound for any name that is not a mail's in this very folder."""
    file = next((file for file in _files() if file.name == name), None) if _NAME.fullmatch(name) else None
    try:
        source = Path(file.path).read_bytes() if file and file.size <= _MAIL_BYTES else None
    except OSError:
        source = None
    if file is None or source is None:
        raise errors.NotFound("This mail is not in the inbox any more, or is too large to be shown.")
    message = message_from_bytes(source, policy=policy.default)
    return Letter(
        line=_line(file),
        html=_part(message, "html"),
        text=_part(message, "plain"),
        headers=_headers(source),
        source=source,
    )


def _files() -> Iterator[_File]:
    """Every mail in the folder: plain files alone, so that no link leads elsewhere; none where there is no folder."""
    try:
        with os.scandir(settings.current().mail_folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    yield _File(entry.name, entry.path, found.st_mtime_ns, found.st_size)
    except OSError:
        return


def _line(file: _File) -> Line:
    to, subject = _heading(file)
    return Line(file.name, to, subject, datetime.fromtimestamp(file.changed_ns / 1e9, UTC), file.size)


@lru_cache(maxsize=20_000)
def _heading(file: _File) -> tuple[str, str]:
    """Recipient and subject; empty for what cannot be read or is no mail."""
    try:
        with Path(file.path).open("rb") as opened:
            headers = BytesHeaderParser().parsebytes(_head(opened.read(_HEADER_BYTES)))
    except OSError:
        return "", ""
    return _decoded(headers["To"]), _decoded(headers["Subject"])


def _head(content: bytes) -> bytes:
    return re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0] + b"\r\n\r\n"


def _headers(source: bytes) -> list[tuple[str, str]]:
    return [(name, _unfolded(str(value))) for name, value in BytesHeaderParser().parsebytes(_head(source)).items()]


def _decoded(value: object) -> str:
    text = _unfolded(str(value or ""))
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, UnicodeError, LookupError, ValueError):
        return text


def _unfolded(text: str) -> str:
    return re.sub(r"\r?\n[ \t]+", " ", text).strip()


def _part(message: EmailMessage, kind: str) -> str:
    """The text of a part, whatever state the file is in."""
    try:
        part = message.get_body((kind,))
        content = part.get_content() if part else ""
    except (KeyError, LookupError, ValueError, AttributeError):
        return ""
    return content if isinstance(content, str) else ""
