"""An SMTP server that can be told, per phase, to refuse, drop, stall or trickle, and writes down what it accepts.

A line of its ledger is written before each 250 to a dot: the receiver's truth, against which ours is held.
As a process of its own: python -m tests.outbox.smtp_server --port 2525 --ledger accepted.jsonl --rules rules.json
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

_TOKENS = re.compile(rb"/(?:unsubscribe|preferences)/([\w.~-]+)")

DROP, STALL, TRICKLE, ACCEPT_THEN_DROP, ACCEPT_THEN_STALL = "drop", "stall", "trickle", "accept+drop", "accept+stall"
DROP_IN_BODY = "drop in body"
HALF_A_REPLY = "half"  # the first bytes of the right reply, then nothing: at the dot the message was accepted

CERTIFICATES = Path(__file__).parent / "certificates"


@dataclass
class Rule:
    """At `phase` (connect, ehlo, starttls, auth, mail, rcpt, data, body, dot), when `match` is found in the command
    (for data and later: in the recipient), from the `first` such hit to the `last`: a reply, or one of the faults.
    With `per_connection` each connection has a count of its own."""

    phase: str
    do: str
    match: str = ""
    first: int = 1
    last: int = 1_000_000_000
    hits: int = 0
    per_connection: bool = False


def _by_name_of_test() -> bool:
    """Half of the tests, always the same ones."""
    return zlib.crc32(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0].encode()) % 2 == 0


@dataclass
class Server:
    """Listens on 127.0.0.1 at `port` (0: any) while used as a context manager."""

    rules: list[Rule] = field(default_factory=list)
    extensions: tuple[str, ...] = ("8BITMIME", "ENHANCEDSTATUSCODES")
    pipelining: bool = field(default_factory=_by_name_of_test)
    replies: str = "each"  # each at once; together as far as commands were read; split in two packets
    without_recipient: str = "503 5.5.1 No valid recipients"  # to DATA; with 354 the refusal comes at the dot
    tls: str = "none"  # none, starttls, implicit
    certificate: str = "localhost"
    user: str = ""
    password: str = ""
    delay: float = 0.0  # seconds before the reply to a dot
    drop_after: int = 0  # messages on one connection, then it closes without a word
    ledger: Path | None = None
    port: int = 0
    keeps_bodies: bool = True
    receive_buffer: int = 0  # bytes the system takes in before the server reads; 0: its own choice
    accepted: list[dict[str, Any]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # what no client may do
    in_the_clear: bytearray = field(default_factory=bytearray)
    connections: int = 0
    at_once: int = 0
    at_once_most: int = 0

    def __enter__(self) -> "Server":
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._by_connection: Counter[tuple[int, int]] = Counter()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=600)
        if self.receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
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

    def fault(self, phase: str, text: str, connection: int = 0) -> str:
        """What the rules say to do here, or ""."""
        with self._lock:
            for number, rule in enumerate(self.rules):
                if rule.phase == phase and re.search(rule.match, text):
                    rule.hits += 1
                    self._by_connection[number, connection] += 1
                    hits = self._by_connection[number, connection] if rule.per_connection else rule.hits
                    if rule.first <= hits <= rule.last:
                        return rule.do
        return ""

    def accept(self, recipient: str, sender: str, body: bytes, connection: int = 0) -> None:
        headers = BytesHeaderParser().parsebytes(body)
        line = {
            "at": time.time(),
            "connection": connection,
            "rcpt": recipient,
            "sender": sender,
            "to": [str(value) for value in headers.get_all("To", [])],
            "mid": str(headers["Message-ID"]).strip(),
            "tokens": sorted(found.decode() for found in set(_TOKENS.findall(body.replace(b"=\r\n", b"")))),
            "sha": hashlib.sha256(body).hexdigest(),
            "size": len(body),
        }
        with self._lock:
            self.accepted.append(line | {"body": body} if self.keeps_bodies else line)
            if self.ledger:
                with self.ledger.open("a") as file:
                    file.write(json.dumps(line) + "\n")

    def complain(self, sentence: str) -> None:
        with self._lock:
            self.complaints.append(sentence)

    def hang_up(self) -> None:
        """Break every open connection."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(connected)
                number = self.connections
            thread = threading.Thread(target=self._serve, args=(connected, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket, number: int) -> None:
        with self._lock:
            self.at_once += 1
            self.at_once_most = max(self.at_once_most, self.at_once)
        with contextlib.suppress(OSError, _HungUp):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Conversation(self, connected, number, self._over, self._open).run()
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self.at_once -= 1


class _HungUp(Exception):
    pass


class _Conversation:
    def __init__(
        self, server: Server, connected: socket.socket, number: int, over: threading.Event, opened: list[Any]
    ) -> None:
        self._server, self._socket, self._over, self._opened = server, connected, over, opened
        self._number = number
        self._buffer, self._out = bytearray(), bytearray()
        self._is_secret = self._is_known = False
        self._delivered = 0
        self._forget()

    def run(self) -> None:
        if self._server.tls == "implicit":
            self._secure()
        self._answer("connect", "", "220 test.example ESMTP")
        while True:
            command = self._line().decode("utf-8", "replace")
            self._server.commands.append(command)
            verb = command.split(" ")[0].upper()
            act: Callable[[str], None] | None = getattr(self, f"_{verb.lower()}", None)
            self._check_turn(verb)
            if act is None:
                self._write("502 5.5.1 Unknown command")
            else:
                act(command)

    def _check_turn(self, verb: str) -> None:
        """RFC 2920 3.1: no group without leave, and these commands only at the end of one."""
        if self._buffer and (not self._server.pipelining or verb in ("EHLO", "DATA", "STARTTLS", "AUTH", "QUIT")):
            self._server.complain(f"{bytes(self._buffer[:40])!r} came in one packet with {verb}")

    def _ehlo(self, command: str) -> None:
        offers = list(self._server.extensions)
        if self._server.pipelining:
            offers.append("PIPELINING")
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
            self._flush()
            self._buffer.clear()
            self._secure()

    def _auth(self, command: str) -> None:
        given = base64.b64decode(command.split(" ")[2]).decode().split("\0")
        is_right = given[1:] == [self._server.user, self._server.password]
        if self._answer("auth", command, "235 2.7.0 Welcome" if is_right else "535 5.7.8 Authentication failed"):
            self._is_known = is_right

    def _mail(self, command: str) -> None:
        if self._server.user and not self._is_known:
            self._write("530 5.7.0 Authentication required")
        elif self._has_sender:
            self._write("503 5.5.1 Nested MAIL command")
        else:
            self._has_sender = self._answer("mail", command, "250 2.1.0 Ok")
            self._sender = command.partition("<")[2].partition(">")[0]

    def _rcpt(self, command: str) -> None:
        if not self._has_sender:
            self._write("503 5.5.1 Need MAIL command")
            return
        recipient = command.partition("<")[2].partition(">")[0]
        if self._answer("rcpt", command, "250 2.1.5 Ok"):
            self._recipient = recipient

    def _data(self, _command: str) -> None:
        if not self._recipient:
            self._refuse_data()
        elif self._answer("data", self._recipient, "354 Go ahead"):
            self._flush()
            self._take_in()

    def _refuse_data(self) -> None:
        """RFC 2920 3.1: a server may say 354 although nobody is to get the message; it refuses then at the dot."""
        reply = self._server.without_recipient
        self._write(reply)
        if reply.startswith("354") and self._has_sender:
            self._flush()
            if self._body():
                self._server.complain("a body was sent although every recipient was refused")
            self._forget()
            self._write("554 5.5.1 No valid recipients")

    def _take_in(self) -> None:
        recipient, sender = self._recipient, self._sender
        if self._server.fault("body", recipient, self._number) == DROP_IN_BODY:
            raise _HungUp
        body = self._body()
        self._forget()
        self._check_body(body)
        if self._server.delay:
            self._over.wait(self._server.delay)
        fault = self._server.fault("dot", recipient, self._number)
        takes = ("", TRICKLE, HALF_A_REPLY, ACCEPT_THEN_DROP, ACCEPT_THEN_STALL)
        if fault in takes or fault.startswith("2"):
            self._server.accept(recipient, sender, body, self._number)
        self._do(fault, "250 2.0.0 Ok: queued")
        self._delivered += 1
        if self._delivered == self._server.drop_after:
            self._flush()
            raise _HungUp

    def _check_body(self, body: bytes) -> None:
        if re.search(rb"(?<!\r)\n|\r(?!\n)", body):
            self._server.complain("a body holds a bare CR or LF")
        if max(map(len, body.split(b"\r\n"))) > 998:
            self._server.complain("a body holds a line over 998 bytes")

    def _rset(self, _command: str) -> None:
        self._forget()
        self._write("250 2.0.0 Ok")

    def _noop(self, _command: str) -> None:
        self._write("250 2.0.0 Ok")

    def _quit(self, _command: str) -> None:
        self._write("221 2.0.0 Bye")
        self._flush()
        raise _HungUp

    def _forget(self) -> None:
        self._has_sender, self._sender, self._recipient = False, "", ""

    def _answer(self, phase: str, text: str, reply: str) -> bool:
        fault = self._server.fault(phase, text, self._number)
        self._do(fault, reply)
        return not fault or fault == TRICKLE

    def _do(self, fault: str, reply: str) -> None:
        if fault:
            self._flush()
        if fault in (DROP, ACCEPT_THEN_DROP):
            raise _HungUp
        if fault in (STALL, ACCEPT_THEN_STALL):
            self._over.wait(60)
            raise _HungUp
        if fault == HALF_A_REPLY:
            self._socket.sendall(reply.encode()[: len(reply) // 2])
            raise _HungUp
        if fault == TRICKLE:
            for byte in reply.encode() + b"\r\n":
                self._socket.sendall(bytes([byte]))
                if self._over.wait(0.1):
                    raise _HungUp
            return
        self._write(fault or reply)
        if fault.startswith("421"):
            self._flush()
            raise _HungUp

    def _write(self, reply: str) -> None:
        self._out += reply.encode() + b"\r\n"
        if self._server.replies == "split":
            half = len(self._out) // 2
            self._socket.sendall(self._out[:half])
            del self._out[:half]
            time.sleep(0.001)
        if self._server.replies != "together" or b"\r\n" not in self._buffer:
            self._flush()

    def _flush(self) -> None:
        if self._out:
            self._socket.sendall(self._out)
            self._out.clear()

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._receive()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _body(self) -> bytes:
        searched = 0
        while True:
            if self._buffer.startswith(b".\r\n"):
                del self._buffer[:3]
                return b""
            end = self._buffer.find(b"\r\n.\r\n", max(0, searched - 5))
            if end >= 0:
                break
            searched = len(self._buffer)
            self._receive()
        body = bytes(self._buffer[:end])
        del self._buffer[: end + 5]
        return (b"\r\n" + body + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]

    def _receive(self) -> None:
        self._flush()
        received = self._socket.recv(65_536)
        if not received:
            raise _HungUp
        if not self._is_secret and self._server.keeps_bodies:
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


def rules_of(file: Path | None) -> list[Rule]:
    """Rules from a JSON list of objects with Rule's fields."""
    return [Rule(**each) for each in json.loads(file.read_text())] if file else []


def main() -> None:
    """Serve until SIGTERM; SIGHUP reads the rules again. The first line printed is the port."""
    parser = argparse.ArgumentParser(description="An SMTP server that fails as it is told.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rules", type=Path, help="a JSON list of objects with a Rule's fields")
    parser.add_argument("--ledger", type=Path, help="a JSON line is written here before each 250 to a dot")
    parser.add_argument("--replies", choices=["each", "together", "split"], default="each")
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the reply to a dot")
    parser.add_argument("--drop-after", type=int, default=0, help="messages on one connection before it is closed")
    chosen = parser.parse_args()
    server = Server(
        rules=rules_of(chosen.rules),
        pipelining=not chosen.no_pipelining,
        replies=chosen.replies,
        delay=chosen.delay,
        drop_after=chosen.drop_after,
        ledger=chosen.ledger,
        port=chosen.port,
        keeps_bodies=False,
    )
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    signal.signal(signal.SIGINT, lambda *_: over.set())
    signal.signal(signal.SIGHUP, lambda *_: setattr(server, "rules", rules_of(chosen.rules)))
    with server:
        print(server.port, flush=True)  # noqa: T201
        over.wait()
    print(json.dumps({"accepted": len(server.accepted), "complaints": server.complaints}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
