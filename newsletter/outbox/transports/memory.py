"""Mail into a list: for tests, which also script the replies."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from newsletter.outbox.replies import Reply
from newsletter.outbox.transports.session import Envelope, Ready


def _agree(_phase: str, _envelope: Envelope) -> Reply | None:
    return None


@dataclass
class Transport:
    """Keeps what was accepted in `accepted`; `answer(phase, envelope)` may refuse at connect, mail, rcpt, data or dot.

    A Reply at dot with 2yz, or None, is an acceptance; a lost reply at dot is one too when `keeps_lost` is set.
    """

    answer: Callable[[str, Envelope], Reply | None] = _agree
    keeps_lost: bool = False
    accepted: list[tuple[Envelope, bytes]] = field(default_factory=list)
    sessions: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> "Session | Reply":
        refusal = self.answer("connect", Envelope("", ""))
        if refusal is not None:
            return refusal
        self.sessions += 1
        return Session(self)

    def keep(self, envelope: Envelope, content: bytes) -> None:
        """Put a message into the list."""
        with self._lock:
            self.accepted.append((envelope, content))


class Session:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._envelope: Envelope | None = None
        self._is_dropped = False

    def offer(self, envelope: Envelope) -> Ready | Reply:
        if self._is_dropped:
            return Reply("mail", None, "The session was dropped.")
        for phase in ("mail", "rcpt", "data"):
            refusal = self._transport.answer(phase, envelope)
            if refusal is not None:
                return refusal
        self._envelope = envelope
        return Ready()

    def hand_over(self, content: bytes, following: Envelope | None = None) -> Reply:  # noqa: ARG002
        if self._is_dropped or self._envelope is None:
            return Reply("data", None, "The session was dropped.")
        envelope, self._envelope = self._envelope, None
        reply = self._transport.answer("dot", envelope) or Reply("dot", 250, "2.0.0 Kept", "2.0.0")
        if reply.is_accepted or (reply.phase == "dot" and reply.code is None and self._transport.keeps_lost):
            self._transport.keep(envelope, content)
        return reply

    def close(self) -> None:
        self._is_dropped = True

    def drop(self) -> None:
        self._is_dropped = True
