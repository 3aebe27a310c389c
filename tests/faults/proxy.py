"""A TCP proxy on loopback whose line can be made bad, and good again, while both ends are talking."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

PASS, REFUSE, BLACKHOLE, RESET = "pass", "refuse", "blackhole", "reset"

_RESETTING = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() sends RST


class Proxy:
    """Forwards connections at `port` to another port of this machine, as its `mode` says.

    pass; refuse (nobody listens, and what was open is reset); blackhole (nothing passes and nothing is closed; what
    was written passes when the line is good again, as TCP does); reset (every connection, and each new one). `delay`
    holds back each piece. With `drop_reply` the answer to the next piece that holds those bytes is swallowed: the
    other side did what it was told, and we never hear of it.
    """

    def __init__(self, target: int) -> None:
        self.port, self.target = 0, target
        self.mode, self.delay = PASS, 0.0
        self.dropped = 0
        self._drop_reply, self._to_drop = b"", 0
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._is_over = False
        self._listener: socket.socket | None = None
        self._listen()

    def switch(self, mode: str) -> None:
        """Change the line from here on."""
        self.mode = mode
        if mode == REFUSE:
            self._stop_listening()
        elif self._listener is None:
            self._listen()
        if mode in (REFUSE, RESET):
            self.cut()

    def drop_reply(self, to: bytes, *, times: int = 1) -> None:
        """Swallow the answers to the next pieces that hold `to`, and reset those connections."""
        with self._lock:
            self._drop_reply, self._to_drop = to, times

    def cut(self) -> None:
        """Reset every connection now."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _reset(*pair)

    def close(self) -> None:
        self._is_over = True
        self._stop_listening()
        self.cut()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=600)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_over:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                _reset(near)
                continue
            for each in (near, far):
                each.settimeout(None)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.mode == RESET:
                _reset(near, far)
                continue
            with self._lock:
                self._pairs.append((near, far))
            line = _Line(self, near, far)
            threading.Thread(target=line.forth, daemon=True).start()
            threading.Thread(target=line.back, daemon=True).start()

    def wants_dropped(self, piece: bytes) -> bool:
        with self._lock:
            if self._to_drop and self._drop_reply in piece:
                self._to_drop -= 1
                return True
        return False

    def count_dropped(self) -> None:
        with self._lock:
            self.dropped += 1


class _Line:
    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._swallows = False

    def forth(self) -> None:
        with contextlib.suppress(OSError):
            for piece in self._pieces(self._near, self._far):
                self._swallows = self._swallows or self._proxy.wants_dropped(piece)
                self._far.sendall(piece)

    def back(self) -> None:
        with contextlib.suppress(OSError):
            for piece in self._pieces(self._far, self._near):
                if self._swallows:
                    self._proxy.count_dropped()
                    _reset(self._near, self._far)
                    return
                self._near.sendall(piece)

    def _pieces(self, source: socket.socket, sink: socket.socket) -> Iterator[bytes]:
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                if self._proxy.delay:
                    time.sleep(self._proxy.delay)
                while self._proxy.mode == BLACKHOLE:
                    time.sleep(0.01)
                yield piece
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _reset(*ends: socket.socket) -> None:
    for each in ends:
        with contextlib.suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETTING)
        with contextlib.suppress(OSError):
            # Wakes the thread that reads from it; close alone would not.
            each.shutdown(socket.SHUT_RD)
        with contextlib.suppress(OSError):
            each.close()


@contextlib.contextmanager
def before(target: int) -> Iterator[Proxy]:
    """A proxy in front of a port."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
