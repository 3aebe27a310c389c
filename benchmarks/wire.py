"""The other end of the wire: Postfix's smtp-sink and smtp-source, a proxy that answers late, and TLS in front."""

import contextlib
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CERTIFICATE = Path(__file__).resolve().parent.parent / "tests" / "outbox" / "certificates" / "localhost.pem"
_CHUNK = 262_144


@dataclass(frozen=True)
class Receiver:
    """A running smtp-sink, a single thread."""

    port: int
    pid: int


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A running smtp-sink."""
    port = free_port()
    user = ["-u", "postfix"] if os.geteuid() == 0 else []
    with _running([_program("smtp-sink"), *user, f"127.0.0.1:{port}", "1024"], port) as pid:
        yield Receiver(port, pid)


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """A running smtp-sink; its port."""
    with receiver() as found:
        yield found.port


def source(port: int, *, messages: int, length: int, connections: int = 8) -> tuple[float, float]:
    """Postfix's generator sends this many messages of this length over kept connections: seconds, processor seconds."""
    began = time.monotonic()
    process = subprocess.Popen(
        [
            *(_program("smtp-source"), "-d", "-s", str(connections), "-m", str(messages), "-l", str(length)),
            *("-f", "news@magazine.example", "-t", "reader@example.net", f"127.0.0.1:{port}"),
        ]
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("smtp-source failed.")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def late(port: int, *, delay: float) -> Iterator[int]:
    """A proxy before `port` that hands each reply over `delay` seconds later; its own port."""
    own = free_port()
    with _running([sys.executable, "-m", "benchmarks.wire", str(own), str(port), str(delay)], own):
        yield own


@contextlib.contextmanager
def secured(port: int) -> Iterator[int]:
    """stunnel before `port`, TLS from the first byte, with the tests' certificate for localhost; its own port."""
    own = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(f"foreground = yes\npid =\n[smtps]\naccept = 127.0.0.1:{own}\nconnect = 127.0.0.1:{port}\n")
        file.write(f"cert = {CERTIFICATE}\n")
        file.flush()
        with _running([_program("stunnel4"), file.name], own):
            yield own


@contextlib.contextmanager
def unsecured(port: int) -> Iterator[int]:
    """stunnel as a client of `port`, for a sender that speaks no TLS itself; its own port."""
    own = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(f"foreground = yes\npid =\n[smtps]\nclient = yes\naccept = 127.0.0.1:{own}\n")
        file.write(f"connect = 127.0.0.1:{port}\n")
        file.flush()
        with _running([_program("stunnel4"), file.name], own):
            yield own


@contextlib.contextmanager
def running(arguments: list[str]) -> Iterator[int]:
    """A receiver of ours that takes --port; its port."""
    port = free_port()
    with _running([*arguments, "--port", str(port)], port):
        yield port


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        package = "stunnel4" if name == "stunnel4" else "postfix"
        raise SystemExit(f"{name} is missing: apt-get install {package}")
    return found


@contextlib.contextmanager
def _running(arguments: list[str], port: int) -> Iterator[int]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(arguments, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{arguments[0]} did not start.")
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


@dataclass
class _Way:
    """One direction of a proxied connection: what is to be written when."""

    to: socket.socket
    delay: float
    pieces: deque[tuple[float, memoryview]] = field(default_factory=deque)


class _Late:
    """The proxy's loop."""

    def __init__(self, own: int, port: int, delay: float) -> None:
        self._port, self._delay = port, delay
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", own), backlog=128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ways: dict[socket.socket, _Way] = {}

    def run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._read(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
            self._write_due()

    def _patience(self) -> float | None:
        dues = [way.pieces[0][0] for way in self._ways.values() if way.pieces]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._port))
        for one, other, delay in ((client, server, 0.0), (server, client, self._delay)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ)
            self._ways[one] = _Way(other, delay)

    def _read(self, one: socket.socket) -> None:
        way = self._ways.get(one)
        if way is None:
            return
        try:
            received = one.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._selector.unregister(one)
        # Nothing is the end, and comes after all that was said before.
        way.pieces.append((time.monotonic() + way.delay, memoryview(received)))

    def _write_due(self) -> None:
        now = time.monotonic()
        for one, way in list(self._ways.items()):
            while way.pieces and way.pieces[0][0] <= now:
                at, piece = way.pieces.popleft()
                if not piece:
                    self._close(one)
                    break
                try:
                    written = way.to.send(piece)
                except BlockingIOError:
                    written = 0
                except OSError:
                    self._close(one)
                    break
                if written < len(piece):
                    way.pieces.appendleft((max(at, now + 0.0005), piece[written:]))
                    break

    def _close(self, one: socket.socket) -> None:
        way = self._ways.pop(one, None)
        for each in (one, way.to) if way else ():
            self._ways.pop(each, None)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(each)
            each.close()


if __name__ == "__main__":
    _Late(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])).run()
