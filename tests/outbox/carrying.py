"""Parcels made by hand, and a courier driven until it has told the end of each."""

import time
from datetime import UTC, datetime

from newsletter.outbox.composers import Row, Wire
from newsletter.outbox.ledger import Claim
from newsletter.outbox.parcels import Asked, Courier, Parcel, Told
from newsletter.outbox.replies import Reply

_DATED_AT = datetime(2026, 11, 3, 7, tzinfo=UTC)


def parcel(
    content: bytes, recipient: str = "c@d.example", *, number: int = 1, sender: str = "a@b.example", is_stuffed=False
) -> Parcel:
    row = Row(number, "issue", 1, None, number, recipient, f"<{number}@b.example>", _DATED_AT)
    return Parcel(Claim(1, 1, "d.example", row), Wire(content, sender, is_stuffed=is_stuffed))


def deliver(courier: Courier, *parcels: Parcel, connections: int = 1, seconds: float = 10) -> list[Reply]:
    """The reply that ended each parcel; every body asked for is granted."""
    waiting, told = list(parcels), {}
    until = time.monotonic() + seconds
    while len(told) < len(parcels) and time.monotonic() < until:
        while waiting and courier.wants(connections) > 0:
            courier.carry(waiting.pop(0))
        events = courier.listen(0.05)
        told |= {event.parcel: event.reply for event in events if isinstance(event, Told)}
        courier.answer([event.parcel for event in events if isinstance(event, Asked)], [])
    return [told[each] for each in parcels]


def until_asked(courier: Courier, one: Parcel, *, seconds: float = 10) -> Asked | Told:
    """Carry a parcel to the moment its body is waited for; Told when it does not come to that."""
    assert courier.wants(1) > 0
    courier.carry(one)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for event in courier.listen(0.05):
            return event
    raise AssertionError("the courier had nothing to say")
