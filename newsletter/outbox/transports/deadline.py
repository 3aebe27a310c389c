"""Deadlines for code whose own time limit is per read."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta


@contextlib.contextmanager
def cut_after(within: timedelta, guard: socket.socket) -> Iterator[None]:
    """Break the connection when the block lasts longer, however slowly the server's bytes trickle."""
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
