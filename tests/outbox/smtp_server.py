"""An SMTP server that can be told, per phase, to refuse, drop, stall or trickle, and writes down what it accepts.

A line of its ledger is written before each 250 to a dot: the receiver's truth, against which ours is held.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

DROP, STALL, TRICKLE, ACCEPT_THEN_DROP, ACCEPT_THEN_STALL = "drop", "stall", "trickle", "accept+drop", "accept+stall"
DROP_IN_BODY = "drop in body"

CERTIFICATES = Path(__file__).parent / "certificates"


@dataclass
class Rule:
    """At `phase` (connect, ehlo, starttls, auth, mail, rcpt, data, body, dot), when `match` is found in the command
    (for data and later: in the recipient), from the `first` such hit to the `last`: a reply, or one of the faults."""

    phase: str
    do: str
    match: str = ""
    first: int = 1
    last: int = 1_000_000_000
    hits: int = 0


@dataclass
class Server:
    """Listens on 127.0.0.1 at a port of its own while used as a context manager."""

    rules: list[Rule] = field(default_factory=list)
    extensions: tuple[str, ...] = ("8BITMIME", "ENHANCEDSTATUSCODES")
    tls: str = "none"  # none, starttls, implicit
    certificate: str = "localhost"
    user: str = ""
    password: str = ""
    delay: float = 0.0  # seconds before the reply to a dot
    drop_after: int = 0  # messages on one connection, then it closes without a word
    ledger: Path | None = None
    accepted: list[dict[str, Any]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    in_the_clear: bytearray = field(default_factory=bytearray)
    connections: int = 0

    def __enter__(self) -> "Server":
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads.append(threading.Thread(target=self._listen, daemon=True))
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
        for each in self._open:
            each.close()

    @property
    def recipients(self) -> list[str]:
        return sorted(line["rcpt"] for line in self.accepted)

    @property
    def copies(self) -> dict[str, int]:
        """The Message-IDs accepted more than once."""
        return {mid: count for mid, count in Counter(line["mid"] for line in self.accepted).items() if count > 1}

    def fault(self, phase: str, text: str) -> str:
        """What the rules say to do here, or ""."""
        with self._lock:
            for rule in self.rules:
                if rule.phase == phase and re.search(rule.match, text):
                    rule.hits += 1
                    if rule.first <= rule.hits <= rule.last:
                        return rule.do
        return ""

    def accept(self, recipient: str, sender: str, body: bytes) -> None:
        headers = BytesHeaderParser().parsebytes(body)
        line = {
            "rcpt": recipient,
            "sender": sender,
            "mid": str(headers["Message-ID"]).strip(),
            "sha": hashlib.sha256(body).hexdigest(),
            "at": time.time(),
        }
        with self._lock:
            self.accepted.append(line | {"body": body})
            if self.ledger:
                with self.ledger.open("a") as file:
                    file.write(json.dumps(line) + "\n")

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(connected)
            thread = threading.Thread(target=self._serve, args=(connected,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket) -> None:
        with contextlib.suppress(OSError, _HungUp):
            _Conversation(self, connected, self._over, self._open).run()
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)


class _HungUp(Exception):
    pass


class _Conversation:
    def __init__(self, server: Server, connected: socket.socket, over: threading.Event, opened: list[Any]) -> None:
        self._server, self._socket, self._over, self._opened = server, connected, over, opened
        self._buffer = bytearray()
        self._is_secret = self._is_known = False
        self._delivered = 0

    def run(self) -> None:
        if self._server.tls == "implicit":
            self._secure()
        self._answer("connect", "", "220 test.example ESMTP")
        while True:
            command = self._line().decode("utf-8", "replace")
            self._server.commands.append(command)
            verb = command.split(" ")[0].upper()
            act = getattr(self, f"_{verb.lower()}", None)
            if act is None:
                self._write("502 5.5.1 Unknown command")
            else:
                act(command)

    def _ehlo(self, command: str) -> None:
        offers = list(self._server.extensions)
        if self._server.tls == "starttls" and not self._is_secret:
            offers.append("STARTTLS")
        if self._server.user:
            offers.append("AUTH PLAIN LOGIN")
        lines = ["test.example", *offers]
        reply = "\r\n".join(f"250{'-' if line is not lines[-1] else ' '}{line}" for line in lines)
        self._answer("ehlo", command, reply)

    def _helo(self, command: str) -> None:
        self._answer("ehlo", command, "250 test.example")

    def _starttls(self, command: str) -> None:
        if self._answer("starttls", command, "220 2.0.0 Ready for TLS"):
            self._buffer.clear()
            self._secure()

    def _auth(self, command: str) -> None:
        given = base64.b64decode(command.split(" ")[2]).decode().split("\0")
        is_right = given[1:] == [self._server.user, self._server.password]
        if self._answer("auth", command, "235 2.7.0 Welcome" if is_right else "535 5.7.8 Authentication failed"):
            self._is_known = is_right

    def _mail(self, command: str) -> None:
        self._sender = command.partition("<")[2].partition(">")[0]
        if self._server.user and not self._is_known:
            self._write("530 5.7.0 Authentication required")
        else:
            self._answer("mail", command, "250 2.1.0 Ok")

    def _rcpt(self, command: str) -> None:
        self._recipient = command.partition("<")[2].partition(">")[0]
        self._answer("rcpt", command, "250 2.1.5 Ok")

    def _data(self, _command: str) -> None:
        if not self._answer("data", self._recipient, "354 Go ahead"):
            return
        if self._server.fault("body", self._recipient) == DROP_IN_BODY:
            raise _HungUp
        body = self._body()
        if self._server.delay:
            time.sleep(self._server.delay)
        fault = self._server.fault("dot", self._recipient)
        if fault in ("", TRICKLE, ACCEPT_THEN_DROP, ACCEPT_THEN_STALL) or fault.startswith("2"):
            self._server.accept(self._recipient, self._sender, body)
        self._do(fault, "250 2.0.0 Ok: queued")
        self._delivered += 1
        if self._delivered == self._server.drop_after:
            raise _HungUp

    def _rset(self, _command: str) -> None:
        self._write("250 2.0.0 Ok")

    def _noop(self, _command: str) -> None:
        self._write("250 2.0.0 Ok")

    def _quit(self, _command: str) -> None:
        self._write("221 2.0.0 Bye")
        raise _HungUp

    def _answer(self, phase: str, text: str, reply: str) -> bool:
        fault = self._server.fault(phase, text)
        self._do(fault, reply)
        return not fault

    def _do(self, fault: str, reply: str) -> None:
        if fault in (DROP, ACCEPT_THEN_DROP):
            raise _HungUp
        if fault in (STALL, ACCEPT_THEN_STALL):
            self._over.wait(60)
            raise _HungUp
        if fault == TRICKLE:
            for byte in reply.encode() + b"\r\n":
                self._socket.sendall(bytes([byte]))
                if self._over.wait(0.1):
                    raise _HungUp
            return
        self._write(fault or reply)
        if fault.startswith("421"):
            raise _HungUp

    def _write(self, reply: str) -> None:
        self._socket.sendall(reply.encode() + b"\r\n")

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive()
        line, _, rest = bytes(self._buffer).partition(b"\r\n")
        self._buffer[:] = rest
        return line

    def _body(self) -> bytes:
        while not (self._buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self._buffer):
            self._receive()
        if self._buffer.startswith(b".\r\n"):
            del self._buffer[:3]
            return b""
        body, _, rest = bytes(self._buffer).partition(b"\r\n.\r\n")
        self._buffer[:] = rest
        return (b"\r\n" + body + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]

    def _receive(self) -> None:
        received = self._socket.recv(65_536)
        if not received:
            raise _HungUp
        if not self._is_secret:
            self._server.in_the_clear += received
        self._buffer += received

    def _secure(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATES / f"{self._server.certificate}.pem")
        # A second descriptor, so that the server can still hang up on the connection.
        self._opened.append(self._socket.dup())
        self._socket = context.wrap_socket(self._socket, server_side=True)
        self._opened.append(self._socket)
        self._is_secret = True


def trusting() -> ssl.SSLContext:
    """A client's context that trusts the tests' certificates, and checks names."""
    context = ssl.create_default_context()
    for name in ("localhost", "wrong"):
        context.load_verify_locations(CERTIFICATES / f"{name}.pem")
    return context
