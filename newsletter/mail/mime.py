"""A mail as the bytes that leave: headers, text and HTML, the same for the same values."""

import binascii
import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from newsletter import errors
from newsletter.mail import addresses, headers, plaintext


@dataclass(frozen=True)
class Outgoing:
    """Everything a mail's bytes depend on, so that every attempt sends the same ones.

    `sender` and `reply_to` are "Name <address>", `recipient` an address; `dated_at` is aware. `list_id` is a
    dot-separated name under our domain (RFC 2919), `feedback_id` campaign:list:type:sender. Mails about a reader's
    own request carry none of the list headers.
    """

    sender: str
    recipient: str
    subject: str
    html: str
    text: str
    message_id: str
    dated_at: datetime
    list_id: str | None = None
    list_name: str = ""
    unsubscribe_url: str = ""
    unsubscribe_mailto: str = ""
    is_automatic: bool = False
    feedback_id: str = ""
    reply_to: str = ""


_MESSAGE_ID = re.compile(rf"{headers.DOT_ATOM.pattern}@{headers.DOT_ATOM.pattern}")
_URI = re.compile(r"(https?://|mailto:)[!#-;=?-~]+")
_FEEDBACK_ID = re.compile(r"[\w.-]*(:[\w.-]*){0,2}:[\w.-]+", re.ASCII)


def build(outgoing: Outgoing, *, apart: Sequence[str] = ()) -> bytes:
    """The mail with CRLF line ends, all 7-bit, no line over 998; raises BadInput rather than build a doubtful one.

    Nothing but `outgoing` enters. In the parts each of the words `apart` stands alone on its line, where one that
    fills it may be of any length.
    """
    message_id = checked_message_id(outgoing.message_id)
    fields = _identity(outgoing, message_id) | _list(outgoing) | _marks(outgoing)
    fields["MIME-Version"] = "MIME-Version: 1.0"
    boundary = _boundary(outgoing)
    fields["Content-Type"] = f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"'
    head = "\r\n".join(fields.values()).encode()
    headers.check(head, list(fields))
    # RFC 2046 5.1.4: the richest alternative last.
    parts = [_part("plain", outgoing.text, apart), _part("html", outgoing.html, apart)]
    separator = b"\r\n--%b" % boundary.encode()
    return head + b"\r\n" + b"".join(separator + b"\r\n" + part for part in parts) + separator + b"--\r\n"


def checked_message_id(message_id: str) -> str:
    """A Message-ID without its angle brackets; raises BadInput for what is none."""
    return _checked("Message-ID", _MESSAGE_ID, message_id.removeprefix("<").removesuffix(">"))


def _boundary(outgoing: Outgoing) -> str:
    """The same for every reader of the same content, so that no byte of a mail but the reader's own depends on whose
    it is. "=_" cannot occur in quoted-printable (RFC 2045 6.7): the boundary stands in no part."""
    content = "\0".join((outgoing.subject, outgoing.html, outgoing.text))
    return "=_" + hashlib.sha256(content.encode(errors="replace")).hexdigest()[:32]


def _identity(outgoing: Outgoing, message_id: str) -> dict[str, str]:
    """RFC 5322 3.6: exactly one of each."""
    sender, recipient = addresses.parse(outgoing.sender), addresses.parse(outgoing.recipient)
    fields = {
        "Date": f"Date: {headers.date(outgoing.dated_at)}",
        "From": headers.folded("From", addresses.words(sender)),
        "To": headers.folded("To", addresses.words(recipient)),
    }
    if outgoing.reply_to:
        fields["Reply-To"] = headers.folded("Reply-To", addresses.words(addresses.parse(outgoing.reply_to)))
    fields["Subject"] = headers.text("Subject", outgoing.subject)
    fields["Message-ID"] = f"Message-ID: <{message_id}>"
    return fields


def _list(outgoing: Outgoing) -> dict[str, str]:
    """What programs show and press: RFC 2919, RFC 2369, RFC 8058."""
    fields = {}
    if outgoing.list_id:
        name = headers.ascii_phrase(outgoing.list_name)
        identifier = f"<{_checked('List-Id', headers.DOT_ATOM, outgoing.list_id)}>"
        fields["List-Id"] = headers.structured("List-Id", [*name.split(" "), identifier] if name else [identifier])
    uris = [uri for uri in (outgoing.unsubscribe_url, outgoing.unsubscribe_mailto) if uri]
    if uris:
        marked = [f"<{_checked('List-Unsubscribe', _URI, uri)}>" for uri in uris]
        fields["List-Unsubscribe"] = headers.structured(
            "List-Unsubscribe", [*(f"{uri}," for uri in marked[:-1]), marked[-1]]
        )
    if outgoing.unsubscribe_url:
        # RFC 8058 3.1: this value, to the letter.
        fields["List-Unsubscribe-Post"] = "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    return fields


def _marks(outgoing: Outgoing) -> dict[str, str]:
    fields = {}
    if outgoing.feedback_id:
        fields["Feedback-ID"] = f"Feedback-ID: {_checked('Feedback-ID', _FEEDBACK_ID, outgoing.feedback_id)}"
    if outgoing.is_automatic:
        fields["Auto-Submitted"] = "Auto-Submitted: auto-generated"  # RFC 3834 5
    return fields


def _checked(name: str, pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise errors.BadInput(f"{name} cannot hold {value!r}.", field=name)
    return value


def _part(subtype: str, text: str, apart: Sequence[str]) -> bytes:
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode() + _quoted_printable(plaintext.clean(text), apart)


def _quoted_printable(text: str, apart: Sequence[str]) -> bytes:
    """RFC 2045 6.7, lines of at most 76, none beginning with a dot or "From ", which SMTP and mbox would change."""
    words = "|".join(map(re.escape, apart))
    pieces = [piece for piece in re.split(f"({words})", text) if piece] if words else [text]
    encoded = b"".join(
        _softly_ended(_encoded(piece)) if _goes_on(piece, following) else _encoded(piece)
        for piece, following in itertools.pairwise([*pieces, ""])
    )
    return b"\r\n".join(_guarded(line) for line in encoded.split(b"\n"))


def _encoded(piece: str) -> bytes:
    return binascii.b2a_qp(piece.encode(), istext=True)


def _goes_on(piece: str, following: str) -> bool:
    """Whether a line of the text runs from one piece into the next."""
    return bool(following) and not piece.endswith("\n") and not following.startswith("\n")


def _softly_ended(encoded: bytes) -> bytes:
    """The lines with a soft break at their end; the last is cut where it had no column left for it."""
    if len(encoded) - (encoded.rfind(b"\n") + 1) > 75:
        # One character past the room there is, and never part of an escape: b2a_qp ends those a column earlier.
        encoded = encoded[:-1] + b"=\n" + encoded[-1:]
    return encoded + b"=\n"


def _guarded(line: bytes) -> bytes:
    if not line.startswith((b".", b"From ")):
        return line
    # On a line of its own, so that the rest keeps its length; the rest may begin with a dot again.
    return b"=%02X=\r\n" % line[0] + _guarded(line[1:]) if line[1:] else b"=%02X" % line[0]
