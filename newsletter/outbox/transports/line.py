"""Bytes to and from an SMTP server, each phase with one deadline however slowly they trickle."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

_REPLY_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?")
_LINE_MOST = 2048  # RFC 5321 4.5.3.1.5 says 512; some servers are wordy
_REPLY_MOST = 65_536

NONSENSE = 0  # the code of a reply that is none


class Lost(Exception):
    """The connection ended, or a phase's time was over; `sent` bytes of what was written had left."""

    def __init__(self, why: str, *, sent: int = 0) -> None:
        super().__init__(why)
        self.sent = sent


class Line:
    """A connected socket (plain or TLS) that speaks in whole replies."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._buffer = bytearray()

    def write(self, data: bytes, *, within: timedelta) -> None:
        """Write all of `data`; raises Lost, whose `sent` is less than its length exactly when some of it never left."""
        deadline, sent, view = _deadline(within), 0, memoryview(data)
        while sent < len(view):
            try:
                self._socket.settimeout(_remaining(deadline))
                sent += self._socket.send(view[sent:])
            except OSError as error:
                raise Lost(_why(error), sent=sent) from None

    def read_reply(self, *, within: timedelta) -> tuple[int, list[str]]:
        """The next reply's code and lines (RFC 5321 4.2); code NONSENSE for what is no reply; raises Lost."""
        deadline, size = _deadline(within), 0
        lines: list[str] = []
        while True:
            line = self._read_line(deadline)
            found = _REPLY_LINE.fullmatch(line)
            size += len(line)
            if not found or size > _REPLY_MOST:
                return NONSENSE, [line.decode("utf-8", "replace")]
            code, separator, words = found.groups()
            lines.append((words or b"").decode("utf-8", "replace"))
            if separator != b"-":
                return int(code), lines

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _read_line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) < _LINE_MOST:
            try:
                self._socket.settimeout(_remaining(deadline))
                received = self._socket.recv(4096)
            except OSError as error:
                raise Lost(_why(error)) from None
            if not received:
                raise Lost("the mail server closed the connection")
            self._buffer += received
        line = bytes(self._buffer[: end if end >= 0 else None]).rstrip(b"\r")
        del self._buffer[: end + 1 if end >= 0 else None]
        return line


@contextlib.contextmanager
def cut_after(within: timedelta, guard: socket.socket) -> Iterator[None]:
    """Break the connection when the block lasts longer: for code whose own time limit is per read."""
    timer = threading.Timer(within.total_seconds(), cut, [guard])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def cut(guard: socket.socket) -> None:
    """Break a connection through any descriptor of it, waking whoever reads from it."""
    with contextlib.suppress(OSError):
        guard.shutdown(socket.SHUT_RDWR)


def _deadline(within: timedelta) -> float:
    # Network deadlines run on the monotonic clock: no step of the wall clock may cut a connection.
    return time.monotonic() + within.total_seconds()


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "the mail server did not answer in time"
    return error.strerror or str(error) or type(error).__name__
