"""What passes between the drain and a courier: messages one way, questions and ends the other."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from newsletter.outbox.composers import Wire
from newsletter.outbox.ledger import Claim
from newsletter.outbox.replies import Reply


@dataclass(slots=True, eq=False)
class Parcel:
    """A claimed message and its bytes; `body` is what goes over the wire, without the dot after it."""

    claim: Claim
    wire: Wire
    body: bytes = field(init=False)
    is_asked: bool = False  # the next hop waited for its body
    is_second_try: bool = False  # it was offered on a connection that was closed in its turn

    def __post_init__(self) -> None:
        content = self.wire.content
        self.body = content if self.wire.is_stuffed else stuffed(content)

    @property
    def sender(self) -> str:
        return self.wire.sender

    @property
    def recipient(self) -> str:
        return self.claim.row.address

    @property
    def size(self) -> int:
        """Bytes of the message, as MAIL declares it (RFC 1870)."""
        return len(self.body)


class Asked(NamedTuple):
    """The next hop waits for this body: may it be written?"""

    parcel: Parcel


class Told(NamedTuple):
    """What came of a parcel."""

    parcel: Parcel
    reply: Reply


class Courier(Protocol):
    """Carries parcels to the next hop, asks before each body, tells each end, and decides nothing.

    Everything happens in the caller's thread. At most one parcel a connection is past its question and has no end.
    """

    def wants(self, connections: int) -> int:
        """How many parcels it can use now, over at most so many connections."""

    def carry(self, parcel: Parcel) -> None:
        """Take a parcel along; its question or its end comes from `listen`."""

    def listen(self, seconds: float, *, also: Collection[int] = ()) -> list[Asked | Told]:
        """What there is to say, waiting up to `seconds` for the first word, or until a file of `also` is readable."""

    def answer(self, granted: Iterable[Parcel], denied: Iterable[Parcel]) -> None:
        """Write the bodies that were granted; of a denied one nothing is heard again, and no dot is sent."""

    def withdraw(self) -> list[Parcel]:
        """Give back what was not offered to the next hop yet: nothing is heard of it again."""

    def break_off(self) -> None:
        """Cut everything: whoever waits for a reply is told by the next `listen` that there is none."""

    def close(self) -> None:
        """Take leave of the next hop."""


class Transport(Protocol):
    """A way to the next hop."""

    def courier(self) -> Courier:
        """A courier of its own for one drain."""


def stuffed(content: bytes) -> bytes:
    """A message as it goes over the wire: CRLF line ends alone, leading dots doubled (RFC 5321 4.5.2)."""
    # A bare CR or LF before a dot is how a second message is smuggled in.
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", lines)
