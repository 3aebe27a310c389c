"""SMTP as a state machine without sockets: bytes in, events out; bytes to send are fetched by whoever has the socket.

One recipient a transaction, strictly in turn. Where the server offers PIPELINING (RFC 2920) the three commands of an
envelope leave in one write, and those of the next one together with the body before it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from newsletter import milestones
from newsletter.outbox import envelope, replies
from newsletter.outbox.parcels import Asked, Parcel, Told
from newsletter.outbox.replies import Reply

_LINE_MOST = 2048  # RFC 5321 4.5.3.1.5 says 512; some servers are wordy
_TEXT_MOST = 500
_DOT = b".\r\n"

RSET, QUIT = "rset", "quit"


class _Transaction:
    """A parcel between its MAIL and its end. `parcel` is None once the end was told."""

    __slots__ = ("is_refused", "parcel")

    def __init__(self, parcel: Parcel) -> None:
        self.parcel: Parcel | None = parcel
        self.is_refused = False


@dataclass(slots=True)
class _Expected:
    """A reply that is to come: to which phase of what, and how many bytes must have left before it can be due."""

    phase: str
    transaction: _Transaction | None
    due_after: int


class Dialogue:
    """The conversation on one connection, from after EHLO (and TLS and AUTH) to its end.

    `offer` a parcel when `is_free`; the answer is an event: Asked (354: write its body with `hand_over`) or Told (its
    end). Events come from `receive` and `lost`. After the end, `is_over`, nothing further comes.
    """

    def __init__(self, extensions: Mapping[str, str], *, may_pipeline: bool = True) -> None:
        self._extensions = extensions
        self.is_pipelining = may_pipeline and "pipelining" in extensions
        self._expected: deque[_Expected] = deque()
        self._waiting: _Transaction | None = None  # for our body
        self._needs_reset = False  # a refused transaction is still open on the server
        self._received = b""  # of a line that is not complete
        self._lines: list[str] = []  # of a reply that is not complete
        self._to_send: list[bytes] = []
        self._written = self._sent = 0
        self.delivered = 0
        self.is_over = False

    # What the courier asks

    @property
    def is_free(self) -> bool:
        """Whether a parcel can be offered."""
        return not (self.is_over or self._expected or self._waiting)

    @property
    def waits_for(self) -> tuple[str, int]:
        """The phase the server owes a reply to, and a number that changes with each reply; no phase: it owes none."""
        return (self._expected[0].phase if self._expected else "", self._expected[0].due_after if self._expected else 0)

    def refusal(self, parcel: Parcel) -> Reply | None:
        """Why this server cannot be asked to take a parcel at all, known before a byte is sent."""
        limit = self._extensions.get("size", "")
        if limit.isdigit() and 0 < int(limit) < parcel.size:
            # RFC 1870 6.1: said by EHLO before anything is sent.
            sentence = f"5.3.4 The mail server takes {int(limit)} bytes, the message has {parcel.size}."
            return Reply("mail", 552, sentence, "5.3.4")
        has_utf8 = "smtputf8" in self._extensions
        if envelope.path(parcel.sender, has_utf8=False) is None:
            return Reply("mail", 553, "The sender's address cannot be written into an envelope.")
        if envelope.path(parcel.recipient, has_utf8=has_utf8) is None or (parcel.wire.needs_smtputf8 and not has_utf8):
            return Reply("rcpt", 553, "5.6.7 The mail server does not take addresses beyond ASCII.", "5.6.7")
        return None

    def offer(self, parcel: Parcel) -> None:
        """Ask whether the parcel may be handed over: when free or, pipelining, right behind a body."""
        transaction = _Transaction(parcel)
        if self._needs_reset:
            self._needs_reset = False
            self._write(b"RSET\r\n")
            self._expect(RSET, transaction)
        self._write(envelope.mail(parcel, self._extensions))
        self._expect("mail", transaction)
        if self.is_pipelining:
            self._ask_for_recipient(transaction, parcel)
            self._ask_for_body(transaction)

    def hand_over(self, parcel: Parcel) -> None:
        """Write the body of the parcel that was asked for, and its dot."""
        transaction, self._waiting = self._waiting, None
        if transaction is None or transaction.parcel is not parcel:
            raise ValueError("this parcel was not asked for")
        self._write(parcel.body)
        self._write(_DOT)
        self._expect("dot", transaction)

    def quit(self) -> None:
        """Take leave; only between messages."""
        self._write(b"QUIT\r\n")
        self._expect(QUIT, None)

    # Bytes out

    def to_send(self) -> bytes:
        """What is to be written now; `sent` says how much of it was."""
        if len(self._to_send) > 1:
            self._to_send = [b"".join(self._to_send)]
        return self._to_send[0] if self._to_send else b""

    def sent(self, count: int) -> None:
        """So many bytes of `to_send` have left."""
        self._sent += count
        rest = self._to_send[0][count:] if count < len(self._to_send[0]) else b""
        self._to_send = [rest] if rest else []

    # Bytes in

    def receive(self, data: bytes) -> list[Asked | Told]:
        """Take in what the server said."""
        events: list[Asked | Told] = []
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            if not self.is_over:
                self._take_line(line.rstrip(b"\r"), events)
        if not self.is_over and len(self._received) > _LINE_MOST:
            events += self._broken(replies.NONSENSE, "the mail server's answer has no end")
        return events

    def lost(self, why: str) -> list[Asked | Told]:
        """The connection ended, or a deadline passed: what becomes of everything that is on the way."""
        return [] if self.is_over else self._broken(None, why)

    def _ask_for_recipient(self, transaction: _Transaction, parcel: Parcel) -> None:
        self._write(envelope.rcpt(parcel))
        self._expect("rcpt", transaction)

    def _ask_for_body(self, transaction: _Transaction) -> None:
        self._write(b"DATA\r\n")
        self._expect("data", transaction)

    def _write(self, data: bytes) -> None:
        self._to_send.append(data)
        self._written += len(data)

    def _expect(self, phase: str, transaction: _Transaction | None) -> None:
        self._expected.append(_Expected(phase, transaction, self._written))

    def _take_line(self, line: bytes, events: list[Asked | Told]) -> None:
        separator, digits = line[3:4], line[:3]
        if self._expected and not self._lines and separator == b" ":
            expected = self._expected[0]
            usual = _USUAL.get((expected.phase, digits))
            if usual is not None and self._sent >= expected.due_after:
                # Nearly all that is ever said, three times a message.
                self._expected.popleft()
                _TAKING[expected.phase](self, expected.transaction, usual, events)
                return
        if not (digits.isdigit() and digits[0] in b"2345" and separator in (b" ", b"-", b"")):
            events += self._broken(replies.NONSENSE, replies.words(line))
            return
        self._lines.append(replies.words(line[4:]))
        if separator == b"-":
            if len(self._lines) > _LINE_MOST:
                events += self._broken(replies.NONSENSE, "the mail server's answer has no end")
            return
        lines, self._lines = self._lines, []
        text = lines[0] if len(lines) == 1 else " ".join(" ".join(lines).split())
        self._take_reply(int(digits), text[:_TEXT_MOST], replies.enhanced_of(lines[0]), events)

    def _take_reply(self, code: int, text: str, enhanced: str, events: list[Asked | Told]) -> None:
        if not self._expected:
            if self._waiting is not None and 400 <= code <= 599 and code != 421:
                # It changed its mind before the body: as known a refusal as one after it.
                self._tell(self._waiting, Reply("dot", code, text, enhanced), events)
            # Nothing was asked: 421 before it closes (RFC 5321 3.8), or talk out of turn.
            events += self._broken(code, text)
            return
        expected = self._expected[0]
        if self._sent < expected.due_after and (expected.phase != "dot" or not 400 <= code <= 599):
            # An answer before the question; only a body may be refused before its end was written.
            events += self._broken(replies.NONSENSE, text)
            return
        reply = Reply(_PHASES.get(expected.phase, expected.phase), code, text, enhanced)
        if reply.is_lost and not (expected.transaction and expected.transaction.is_refused and code != 421):
            events += self._broken(code, text, enhanced)
            return
        is_early = self._sent < expected.due_after
        self._expected.popleft()
        _TAKING[expected.phase](self, expected.transaction, reply, events)
        if is_early:
            # The rest of the body would be read as commands.
            events += self._broken(None, text)

    def _take_rset(self, transaction: _Transaction, reply: Reply, events: list[Asked | Told]) -> None:
        if reply.is_refused:
            self._refuse(transaction, reply, events)

    def _take_mail(self, transaction: _Transaction, reply: Reply, events: list[Asked | Told]) -> None:
        if reply.is_refused:
            self._refuse(transaction, reply, events)
        elif not transaction.is_refused:
            milestones.reached("smtp.after_mail")
            if not self.is_pipelining and transaction.parcel is not None:
                self._ask_for_recipient(transaction, transaction.parcel)

    def _take_rcpt(self, transaction: _Transaction, reply: Reply, events: list[Asked | Told]) -> None:
        if reply.is_refused:
            self._refuse(transaction, reply, events)
        elif not transaction.is_refused:
            milestones.reached("smtp.after_rcpt")
            if not self.is_pipelining:
                self._ask_for_body(transaction)

    def _take_data(self, transaction: _Transaction, reply: Reply, events: list[Asked | Told]) -> None:
        if transaction.is_refused:
            if reply.code == 354:
                # RFC 2920 3.1: it wants a body although nobody is to get it; an empty one ends that.
                self._write(_DOT)
                self._expect("dot", transaction)
        elif reply.is_refused:
            self._refuse(transaction, reply, events)
        elif transaction.parcel is not None:
            milestones.reached("smtp.after_354")
            self._waiting = transaction
            transaction.parcel.is_asked = True
            events.append(Asked(transaction.parcel))

    def _take_dot(self, transaction: _Transaction, reply: Reply, events: list[Asked | Told]) -> None:
        if not transaction.is_refused:
            self.delivered += 1
            self._tell(transaction, reply, events)

    def _take_quit(self, _transaction: None, _reply: Reply, _events: list[Asked | Told]) -> None:
        self.is_over = True

    def _refuse(self, transaction: _Transaction, reply: Reply, events: list[Asked | Told]) -> None:
        if not transaction.is_refused:
            transaction.is_refused = self._needs_reset = True
            self._tell(transaction, reply, events)

    def _tell(self, transaction: _Transaction, reply: Reply, events: list[Asked | Told]) -> None:
        parcel, transaction.parcel = transaction.parcel, None
        if parcel is not None:
            events.append(Told(parcel, reply))

    def _broken(self, code: int | None, why: str, enhanced: str = "") -> list[Asked | Told]:
        """The end of the connection, said of each parcel on the way: the first reply owed is the one that came."""
        self.is_over = True
        events: list[Asked | Told] = []
        for place, expected in enumerate(self._expected):
            if expected.transaction is None or expected.transaction.parcel is None:
                continue
            phase = _PHASES.get(expected.phase, expected.phase)
            if phase == "dot" and self._sent < expected.due_after:
                phase = "data"  # the end of the body never left
            reply = Reply(phase, code, why, enhanced) if place == 0 else Reply(phase, None, why)
            self._tell(expected.transaction, reply, events)
        if self._waiting is not None:
            self._tell(self._waiting, Reply("data", None, why), events)
        self._expected.clear()
        self._waiting = None
        return events


# Replies whose words nobody reads, made once.
_USUAL = {(phase, b"%d" % code): Reply(phase, code) for phase, code in (("mail", 250), ("rcpt", 250), ("data", 354))}

# RSET is the beginning of the next envelope.
_PHASES = {RSET: "mail"}

_TAKING: dict[str, Callable[[Dialogue, Any, Reply, list[Asked | Told]], None]] = {
    RSET: Dialogue._take_rset,
    "mail": Dialogue._take_mail,
    "rcpt": Dialogue._take_rcpt,
    "data": Dialogue._take_data,
    "dot": Dialogue._take_dot,
    QUIT: Dialogue._take_quit,
}
