"""How an envelope is written: MAIL and RCPT with what the server offers (RFC 5321, 1870, 6152, 6531)."""

import functools
import re
from collections.abc import Mapping

from newsletter.outbox import suppression
from newsletter.outbox.parcels import Parcel

# What a path may not hold: the end of the path, of the command, or of the line.
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")


def mail(parcel: Parcel, extensions: Mapping[str, str]) -> bytes:
    """The MAIL command, with the message's size and, for an address beyond ASCII, SMTPUTF8."""
    command = f"MAIL FROM:<{path(parcel.sender, has_utf8=False)}>"
    if "size" in extensions:
        command += f" SIZE={parcel.size}"
    if needs_smtputf8(parcel):
        # RFC 6531 3.4: the headers then hold UTF-8, which only an 8-bit body may.
        command += " BODY=8BITMIME SMTPUTF8" if "8bitmime" in extensions else " SMTPUTF8"
    return f"{command}\r\n".encode("ascii")


def rcpt(parcel: Parcel) -> bytes:
    """The RCPT command."""
    return f"RCPT TO:<{path(parcel.recipient, has_utf8=True)}>\r\n".encode()


def needs_smtputf8(parcel: Parcel) -> bool:
    """Whether envelope or headers hold an address that ASCII cannot."""
    return parcel.wire.needs_smtputf8 or not parcel.recipient.rpartition("@")[0].isascii()


@functools.lru_cache(maxsize=256)
def _domain(domain: str) -> str:
    return suppression.ascii_domain(domain)


@functools.lru_cache(maxsize=1024)
def path(address: str, *, has_utf8: bool) -> str | None:
    """An address for MAIL or RCPT, the domain as A-labels; None when it cannot be written (RFC 6531 3.1)."""
    if not address:
        return ""
    local, _, domain = address.rpartition("@")
    written = f"{local}@{_domain(domain)}"
    is_unwritable = _UNSAFE.search(written) or not (written.isascii() or has_utf8)
    return None if is_unwritable or not _domain(domain).isascii() else written
