"""The press: a mail built once as wire bytes, and filled for each reader where readers differ.

A plate is the finished mail, headers to last boundary, in which one byte above 0x7F stands wherever something of one
reader goes: a mail is 7-bit throughout, so such a byte is nothing else. Stored, it is deflated (zlib) and goes with
the SHA-256 of its inflated bytes. In the parts each slot begins a line, and a soft break ends it: whatever fills it
is quoted-printable on lines of its own, and no other line of the mail moves.
"""

import dataclasses
import functools
import hashlib
import html
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

from newsletter import errors
from newsletter.mail import addresses, headers, mime, slots


@dataclass(frozen=True)
class Plate:
    """What is stored of a pressed mail: its deflated bytes, and the SHA-256 (hex) of the inflated ones."""

    packed: bytes
    digest: str


# The order of the values in Press.fill. Stored plates hold these bytes: never renumber, only add.
_DATE, _TO, _MESSAGE_ID, _TOKEN_IN_HEADER, _TOKEN, _ADDRESS, _ADDRESS_IN_HTML = range(0x80, 0x87)
_SLOT = re.compile(rb"([\x80-\xff])")

# Stand for what a reader's mail has in these headers, while it is built.
_SOME_DATE = datetime(2000, 1, 1, tzinfo=UTC)
_SOME_RECIPIENT = f"{slots.ADDRESS}@slot.invalid"
_SOME_MESSAGE_ID = "SLOTqMESSAGEq7f3a9cSLOT@slot.invalid"

# RFC 3986 2.3: what neither a URL nor its quoted form in a mailto changes.
_TOKEN_MOST = 200
_TOKENS = re.compile(rf"[A-Za-z0-9._~-]{{1,{_TOKEN_MOST}}}")
# What quoted-printable leaves as it is, on a line that no server and no mbox changes.
_PLAIN = re.compile(rb"[A-Za-z0-9_@+~-][A-Za-z0-9_@+~.-]{0,74}")
_BYTES = [b"%c" % byte if chr(byte).isascii() and chr(byte).isalnum() else b"=%02X" % byte for byte in range(256)]
# 24 bytes of at most three characters and the soft break: 73 of 76 columns (RFC 2045 6.7).
_LINE = re.compile(rb"(?:=..|[^=]){1,24}")


def cast(outgoing: mime.Outgoing) -> Plate:
    """The plate of a mail whose html, text and unsubscribe addresses hold mail.slots; recipient, Message-ID and date
    are the reader's and come with `fill`. Raises BadInput like mime.build."""
    built = mime.build(
        dataclasses.replace(
            outgoing,
            recipient=_SOME_RECIPIENT,
            message_id=_SOME_MESSAGE_ID,
            dated_at=_SOME_DATE,
            # No name or title acts as a slot.
            sender=slots.absent(outgoing.sender),
            reply_to=slots.absent(outgoing.reply_to),
            subject=slots.absent(outgoing.subject),
            list_name=slots.absent(outgoing.list_name),
        ),
        apart=(slots.TOKEN, slots.ADDRESS),
    )
    head, *parts = re.split(rb"(?=\r\n--=_)", built)
    cut = b"".join((_cut_head(head), *(_cut_part(part) for part in parts)))
    return Plate(zlib.compress(cut), hashlib.sha256(cut).hexdigest())


class Press:
    """A plate ready to be filled, about as large in memory as the mail; `size` is that in bytes."""

    def __init__(self, plate: Plate) -> None:
        """Raises errors.Damaged when the plate is not the one that was cast."""
        cut = _inflated(plate)
        self.size = len(cut)
        # Every other piece is a slot.
        self._pieces = _SLOT.split(cut)
        self._slots = [slot[0] - _DATE for slot in self._pieces[1::2]]

    def fill(self, address: str, message_id: str, dated_at: datetime, token: str) -> bytes:
        """The mail of one reader, always the same bytes for the same values.

        All 7-bit, but for the To of an address whose local part is not ASCII (RFC 6532). Raises BadInput, with the
        field "address" for an address no mail can be sent to.
        """
        if not _TOKENS.fullmatch(token):
            raise errors.BadInput(f"A link cannot hold the token {token!r}.", field="token")
        recipient, raw_token, shown = addresses.recipient(address), token.encode(), address.encode()
        values = (
            _date(dated_at),
            recipient.encode(),
            mime.checked_message_id(message_id).encode(),
            raw_token,
            _quoted(raw_token),
            _quoted(shown),
            _quoted(html.escape(address).encode()),
        )
        pieces = self._pieces.copy()
        pieces[1::2] = [values[slot] for slot in self._slots]
        return b"".join(pieces)


def _cut_head(head: bytes) -> bytes:
    date = f"Date: {headers.date(_SOME_DATE)}".encode()
    if max(map(len, head.split(b"\r\n"))) + _TOKEN_MOST > headers.LINE:
        raise errors.BadInput("A header line of the mail would be too long.", field="headers")
    return (
        head.replace(date, b"Date: %c" % _DATE, 1)
        .replace(_SOME_RECIPIENT.encode(), b"%c" % _TO)
        .replace(_SOME_MESSAGE_ID.encode(), b"%c" % _MESSAGE_ID)
        .replace(slots.TOKEN.encode(), b"%c" % _TOKEN_IN_HEADER)
    )


def _cut_part(part: bytes) -> bytes:
    address = _ADDRESS_IN_HTML if b"Content-Type: text/html" in part.split(b"\r\n\r\n", 1)[0] else _ADDRESS
    return part.replace(slots.TOKEN.encode(), b"%c" % _TOKEN).replace(slots.ADDRESS.encode(), b"%c" % address)


def _inflated(plate: Plate) -> bytes:
    try:
        cut = zlib.decompress(plate.packed)
    except zlib.error:
        raise errors.Damaged from None
    if hashlib.sha256(cut).hexdigest() != plate.digest:
        raise errors.Damaged
    return cut


# Messages are dated when they are claimed, pages of them at the same instant.
@functools.lru_cache(maxsize=1024)
def _date(dated_at: datetime) -> bytes:
    return headers.date(dated_at.replace(microsecond=0)).encode()


def _quoted(value: bytes) -> bytes:
    """`value` in quoted-printable from the first column on; the soft break after it stands in the plate."""
    if _PLAIN.fullmatch(value):
        return value
    return b"=\r\n".join(_LINE.findall(b"".join([_BYTES[byte] for byte in value])))
