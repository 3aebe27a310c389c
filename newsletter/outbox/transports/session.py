"""What every transport offers: a session that is asked first and handed the message second."""

from dataclasses import dataclass
from typing import Protocol

from newsletter.outbox.replies import Reply


@dataclass(frozen=True)
class Envelope:
    """Where a message comes from and goes to (addr-specs), and how many bytes it will have (0: not known)."""

    sender: str
    recipient: str
    size: int = 0


@dataclass(frozen=True)
class Ready:
    """The next hop waits for the body (354). Nothing is at risk yet."""


class Session(Protocol):
    """One connection to the next hop, used for one message after another.

    Between `offer` and `hand_over` the caller commits that it is sending: that is the last moment to leave by `drop`.
    After a lost reply (Reply.is_lost) a session is of no further use.
    """

    def offer(self, envelope: Envelope) -> Ready | Reply:
        """Ask whether a message may be handed over; a Reply says why not."""

    def hand_over(self, content: bytes, following: Envelope | None = None) -> Reply:
        """Write the body after a Ready and wait for what becomes of it.

        A transport that pipelines sends the envelope `following` along; the caller then offers that one next.
        """

    def close(self) -> None:
        """Take leave between messages, and free what is held; also after `drop`."""

    def drop(self) -> None:
        """Break off at once, also from another thread; a body that is not complete will not be delivered."""


class Transport(Protocol):
    """A way to the next hop."""

    def open(self) -> Session | Reply:
        """A new session, or the Reply that says why there is none."""
