"""The registry of composers: who turns a message row of a kind into the bytes that leave."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from newsletter import db, errors


class Row(NamedTuple):
    """What a composer may know of a message."""

    id: int
    kind: str
    run_ref: int  # the run's: the id, 0 for a stream
    ref: int | None  # the message's own: the edition of an issue
    recipient_id: int  # the subscriber of an issue, the request of a stream
    address: str
    message_id: str
    dated_at: datetime  # the Date header: set at the first claim, the same on every attempt


class Wire(NamedTuple):
    """A finished message: RFC 5322 bytes with CRLF line ends and its envelope sender (addr-spec).

    `needs_smtputf8`: its headers hold an address beyond ASCII (RFC 6532). `is_stuffed`: no line of it begins with a
    dot and no line end is bare, so that these are the bytes on the wire; who made them knows, and a look costs more
    than all the rest of a delivery (0.09 ms for 40 KB).
    """

    content: bytes
    sender: str
    needs_smtputf8: bool = False
    is_stuffed: bool = False


@dataclass(frozen=True)
class Skipped:
    """Nothing is sent, for a reason an editor understands."""

    reason: str


# Writes one message when a connection is ready for it; whatever the database had to say is known by then, but for
# composers made by `one_by_one`.
Draft = Callable[[], Wire | Skipped]

# A page of rows of one run, in order, to as many drafts; a reason stands where nothing is to be sent.
Composer = Callable[[Sequence[Row]], Sequence[Draft | Skipped]]


def register(kind: str, composer: Composer) -> None:
    """Let `composer` write the messages of every run of this kind.

    It is called inside an application context in which the database is read-only, a page of rows at a time, and must
    return the same bytes for the same row every time (RFC 5322 3.6.4: one Message-ID, one message).
    """
    _composers[kind] = composer


def one_by_one(write: Callable[[Row], Wire | Skipped]) -> Composer:
    """A composer that looks each message up when it is written: for streams, whose messages are few."""

    def draft(row: Row) -> Wire | Skipped:
        # Composers read by db.session; no snapshot and no object outlives one message.
        try:
            with db.reading():
                return write(row)
        finally:
            db.session.remove()

    return lambda rows: [functools.partial(draft, row) for row in rows]


def kinds() -> list[str]:
    """The kinds of run this process can write for."""
    return sorted(_composers)


def compose(rows: Sequence[Row]) -> Sequence[Draft | Skipped]:
    """The drafts of rows of one run, by its kind's composer."""
    kind = rows[0].kind
    if kind not in _composers:
        raise errors.ConfigurationError(f"Nothing here can write messages of the kind {kind!r}.")
    return _composers[kind](rows)


_composers: dict[str, Composer] = {}
