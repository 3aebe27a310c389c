"""Mail into a list: for tests, which also script the replies."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from newsletter.outbox.parcels import Parcel
from newsletter.outbox.replies import Reply
from newsletter.outbox.transports import direct


def _agree(_phase: str, _recipient: str) -> Reply | None:
    return None


@dataclass
class Transport:
    """Keeps what was accepted in `accepted`, as (recipient, content).

    `answer(phase, recipient)` may refuse at connect, mail, rcpt, data or dot. A Reply at dot with 2yz, or None, is an
    acceptance; a lost reply at dot is one too when `keeps_lost` is set.
    """

    answer: Callable[[str, str], Reply | None] = _agree
    keeps_lost: bool = False
    accepted: list[tuple[str, bytes]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def courier(self) -> direct.Courier:
        return direct.Courier(self)

    def open(self) -> Reply | None:
        return self.answer("connect", "")

    def offer(self, parcel: Parcel) -> Reply | None:
        refusals = (self.answer(phase, parcel.recipient) for phase in ("mail", "rcpt", "data"))
        return next((refusal for refusal in refusals if refusal is not None), None)

    def put(self, parcel: Parcel) -> Reply:
        reply = self.answer("dot", parcel.recipient) or Reply("dot", 250, "2.0.0 Kept", "2.0.0")
        if reply.is_accepted or (reply.phase == "dot" and reply.code is None and self.keeps_lost):
            with self._lock:
                self.accepted.append((parcel.recipient, parcel.wire.content))
        return reply
