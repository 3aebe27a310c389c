"""What a server's reply, or its silence, means for a message: one table."""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

# Phases of a delivery, in order. Until `dot` nothing has been handed over.
OPENING = frozenset({"connect", "ehlo", "starttls", "auth"})

NONSENSE = 0  # the code of a reply that is none


class Reply(NamedTuple):
    """What came back: the phase it came in, the code (None: the connection was lost or silent), words, RFC 3463 code.

    Phases: connect, ehlo, starttls, auth, mail, rcpt, data (also: lost before the last byte of the body was written),
    dot (the body had been written to its end).
    """

    phase: str
    code: int | None
    text: str = ""
    enhanced: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether the session is over: it broke, the server is closing it (421, RFC 5321 3.8), or talks out of turn."""
        return self.code is None or self.code == 421 or not (self.is_refused or self.is_in_turn)

    @property
    def is_in_turn(self) -> bool:
        """Whether a positive reply is of the kind its phase asks for (RFC 5321 4.3.2)."""
        return self.code == 354 if self.phase == "data" else self.is_accepted

    @property
    def is_refused(self) -> bool:
        return self.code is not None and self.code // 100 in (4, 5)

    @property
    def is_accepted(self) -> bool:
        return self.code is not None and self.code // 100 == 2

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.code, self.text) if part)


class Fate(enum.StrEnum):
    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    SKIPPED = "skipped"
    NOT_SENT = "not_sent"  # nothing was handed over and the row is not to blame: again soon
    SENDERS_FAULT = "senders_fault"  # it would hit everybody: the run pauses, nobody is penalised
    UNCERTAIN = "uncertain"


class Verdict(NamedTuple):
    """What a reply means; `why` is for the person who reads it."""

    fate: Fate
    why: str
    suppress: bool = False


def classify(reply: Reply) -> Verdict:
    """The verdict of an accepted body, else of the first row of the table that fits.

    The first digit of the reply code decides between temporary and permanent, whatever the enhanced code says (RFC 5321
    4.2.1; Gmail answers "421 5.7.32").
    """
    if reply.phase == "dot" and reply.is_accepted:
        return _SENT
    return next(row.verdict for row in _TABLE if row.fits(reply))


def words(said: bytes | str) -> str:
    """What a server said, without any NUL: PostgreSQL keeps none in a text."""
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said).replace("\0", "")


def enhanced_of(text: str) -> str:
    """The enhanced status code a reply's text begins with (RFC 2034), or ""."""
    found = _ENHANCED.match(text)
    return found.group() if found else ""


_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")

# A refusal for who we are or what we send, not for the address: never a reason to suppress it (standards of Part D:
# blocked, spam, policy, rate, relaying, authentication, greylisting, size, full mailbox).
_NOT_THE_ADDRESS = re.compile(
    r"spam|polic|block|black ?list|deny|denied|not allowed|listed|reputation|abuse|dnsbl|\brbl\b|spf|dkim|dmarc"
    r"|authenticat|reverse dns|\bptr\b|\brate\b|too (?:many|fast|much)|throttl|limit|grey ?list|gray ?list|relay"
    r"|quota|full|storage|size|large|temporar|try again|later|virus|content|banned|prohibited|suspicious",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Row:
    fits: Callable[[Reply], bool]
    verdict: Verdict


def _lost(reply: Reply) -> bool:
    return reply.code is None


def _digit(reply: Reply, digit: int) -> bool:
    return reply.code is not None and reply.code // 100 == digit


def _enhanced(reply: Reply, pattern: str) -> bool:
    return _digit(reply, 5) and re.fullmatch(pattern, reply.enhanced) is not None


def _is_too_big(reply: Reply) -> bool:
    # 552 is also "mailbox full" (5.2.2), which is the reader's; at RCPT it is never the size of a message.
    bare_552 = reply.code == 552 and reply.phase != "rcpt" and not reply.enhanced.startswith("5.2.")
    return bare_552 or _enhanced(reply, r"5\.3\.4")


def _is_a_plain_550(reply: Reply) -> bool:
    is_plain = reply.phase == "rcpt" and reply.code == 550 and reply.enhanced in ("", "5.0.0")
    return is_plain and not _NOT_THE_ADDRESS.search(reply.text)


def _at_dot(reply: Reply) -> bool:
    return reply.phase == "dot"


_SENT = Verdict(Fate.SENT, "accepted")

_TABLE = (
    # Lost or nonsense: after the dot nobody knows, before it nothing was sent.
    _Row(
        lambda r: _at_dot(r) and _lost(r),
        Verdict(Fate.UNCERTAIN, "the mail server took the message and never said what became of it"),
    ),
    _Row(_lost, Verdict(Fate.NOT_SENT, "the connection to the mail server failed")),
    # 4yz: temporary. Only a refusal of this recipient or this message is the row's own.
    _Row(lambda r: r.code == 421 and not _at_dot(r), Verdict(Fate.NOT_SENT, "the mail server is closing")),
    _Row(
        lambda r: _digit(r, 4) and r.phase in ("rcpt", "dot"),
        Verdict(Fate.DEFERRED, "refused for now"),
    ),
    _Row(lambda r: _digit(r, 4), Verdict(Fate.NOT_SENT, "the mail server is not ready")),
    # 5yz: permanent. First what would hit everybody.
    _Row(lambda r: _enhanced(r, r"5\.6\.7"), Verdict(Fate.SKIPPED, "the mail server does not take such addresses")),
    _Row(_is_too_big, Verdict(Fate.SENDERS_FAULT, "the message is larger than the mail server accepts")),
    _Row(
        # Gmail: not authenticated, no PTR, no TLS, no DMARC ...; Microsoft: 5.7.515 not authenticated.
        lambda r: _enhanced(r, r"5\.7\.(2[5-9]|30|515)"),
        Verdict(Fate.SENDERS_FAULT, "the sender is not accepted: check SPF, DKIM, DMARC and reverse DNS"),
    ),
    _Row(
        # RFC 3463 X.1.7, X.1.8: the sender's address, not the recipient's.
        lambda r: _enhanced(r, r"5\.1\.[78]"),
        Verdict(Fate.SENDERS_FAULT, "the sender's address is not accepted"),
    ),
    _Row(
        lambda r: r.phase == "auth" or r.code in (530, 534, 535, 538),
        Verdict(Fate.SENDERS_FAULT, "the mail server refused the user name or password"),
    ),
    _Row(
        lambda r: _digit(r, 5) and r.phase == "starttls",
        Verdict(Fate.SENDERS_FAULT, "no safe connection to the mail server"),
    ),
    _Row(
        lambda r: _digit(r, 5) and r.phase in ("connect", "ehlo"),
        Verdict(Fate.SENDERS_FAULT, "the mail server does not talk to this machine"),
    ),
    _Row(
        lambda r: _digit(r, 5) and r.phase == "mail",
        Verdict(Fate.SENDERS_FAULT, "the mail server refused the sender"),
    ),
    _Row(
        lambda r: _digit(r, 5) and r.phase == "data",
        Verdict(Fate.SENDERS_FAULT, "the mail server refused to take a message"),
    ),
    _Row(
        lambda r: r.code in (500, 502, 503, 504) or (_at_dot(r) and _enhanced(r, r"5\.6\.\d+")),
        Verdict(Fate.SENDERS_FAULT, "the mail server does not understand our messages"),
    ),
    # Then what is about this address.
    _Row(lambda r: _enhanced(r, r"5\.1\.\d+"), Verdict(Fate.BOUNCED, "there is no such address", suppress=True)),
    _Row(_is_a_plain_550, Verdict(Fate.BOUNCED, "there is no such address", suppress=True)),
    _Row(lambda r: _digit(r, 5), Verdict(Fate.BOUNCED, "refused for good")),
    # What is no reply at all: 1yz, 2yz or 3yz out of turn, or a number outside 200-599.
    _Row(_at_dot, Verdict(Fate.UNCERTAIN, "the mail server's answer could not be understood")),
    _Row(lambda _: True, Verdict(Fate.NOT_SENT, "the mail server's answer could not be understood")),
)
