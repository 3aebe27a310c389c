"""The instruments themselves: what a pipelining client sees of the server, and what passes the proxy."""

import json
import signal
import socket
import subprocess
import sys
import threading

import pytest

from newsletter import settings
from tests.faults import proxy
from tests.outbox.smtp_server import Rule, Server

ENVELOPE = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<%s>\r\nDATA\r\n"
BODY = b"To: <r@y.example>\r\nMessage-ID: <%d@x>\r\n\r\n..dot\r\n.\r\n"


class Client:
    """Writes what it is told and reads reply codes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        self._file = self._socket.makefile("rb")
        assert self.codes(1) == [220]
        self.write(b"EHLO client.example\r\n")
        self.offers = self._lines()

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def codes(self, count: int) -> list[int]:
        return [int(self._lines()[-1][:3]) for _ in range(count)]

    def is_over(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _lines(self) -> list[bytes]:
        lines = [self._file.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(self._file.readline())
        return lines


@pytest.mark.parametrize("replies", ["each", "together", "split"])
def test_a_body_and_the_next_envelope_in_one_write(replies):
    with Server(pipelining=True, replies=replies) as server:
        client = Client(server.port)
        assert any(b"PIPELINING" in line for line in client.offers)
        client.write(ENVELOPE % b"r@y.example")
        assert client.codes(3) == [250, 250, 354]
        client.write(BODY % 1 + ENVELOPE % b"s@y.example")
        assert client.codes(4) == [250, 250, 250, 354]
        client.write(BODY % 2)
        assert client.codes(1) == [250]
        client.close()
    assert [line["rcpt"] for line in server.accepted] == ["r@y.example", "s@y.example"]
    assert server.accepted[0]["body"].endswith(b"\r\n.dot\r\n")
    assert server.complaints == []


@pytest.mark.parametrize(("then", "codes"), [("503 5.5.1 None", [550, 503]), ("354 Go ahead", [550, 354])])
def test_a_refused_recipient_and_the_data_that_follows(then, codes):
    with Server(rules=[Rule("rcpt", "550 5.1.1 No")], pipelining=True, without_recipient=then) as server:
        client = Client(server.port)
        client.write(ENVELOPE % b"r@y.example")
        assert client.codes(3) == [250, *codes]
        if codes[-1] == 354:
            client.write(b".\r\n")
            assert client.codes(1) == [554]
        else:
            client.write(b"MAIL FROM:<a@x.example>\r\n")
            assert client.codes(1) == [503]  # nested: the transaction is still open
        client.write(b"RSET\r\nMAIL FROM:<a@x.example>\r\n")
        assert client.codes(2) == [250, 250]
        client.close()
    assert (server.accepted, server.complaints) == ([], [])


def test_what_no_client_may_do_is_complained_of():
    with Server(pipelining=False) as server:
        client = Client(server.port)
        client.write(ENVELOPE % b"r@y.example")
        client.codes(3)
        client.write(b"x\ny\r\n.\r\n")
        client.codes(1)
        client.close()
    assert len(server.complaints) == 3


def test_a_body_without_its_dot_is_no_message_and_the_ledger_comes_before_the_reply(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    with Server(rules=[Rule("dot", "accept+drop", first=2)], ledger=ledger) as server:
        client = Client(server.port)
        for number, ends in ((1, b""), (2, b"")):
            for command in (ENVELOPE % b"r@y.example").splitlines(keepends=True):
                client.write(command)
                client.codes(1)
            client.write(BODY % number + ends)
            if number == 1:
                client.codes(1)
                assert json.loads(ledger.read_text())["mid"] == "<1@x>"
        assert client.is_over()
        client.close()
        half = Client(server.port)
        for command in (ENVELOPE % b"r@y.example").splitlines(keepends=True):
            half.write(command)
            half.codes(1)
        half.write(b"half a body\r\n")
        half.close()
    assert [json.loads(line)["mid"] for line in ledger.read_text().splitlines()] == ["<1@x>", "<2@x>"]


def test_five_hundred_connections_at_once():
    with Server() as server:
        clients = [Client(server.port) for _ in range(500)]
        assert server.at_once_most == 500
        for client in clients:
            client.write(b"MAIL FROM:<a@x.example>\r\n")
        assert [client.codes(1) for client in clients] == [[250]] * 500
        for client in clients:
            client.close()


def test_as_a_process_of_its_own_it_reads_its_rules_again(tmp_path):
    rules, ledger = tmp_path / "rules.json", tmp_path / "ledger.jsonl"
    rules.write_text(json.dumps([{"phase": "mail", "do": "451 Later"}]))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.outbox.smtp_server", "--rules", rules, "--ledger", ledger],
        cwd=settings.ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    client = Client(int(process.stdout.readline()))
    client.write(b"MAIL FROM:<a@x.example>\r\n")
    assert client.codes(1) == [451]
    rules.write_text("[]")
    process.send_signal(signal.SIGHUP)
    for _ in range(100):
        client.write(b"RSET\r\nMAIL FROM:<a@x.example>\r\n")
        if client.codes(2) == [250, 250]:
            break
    client.write(b"RCPT TO:<r@y.example>\r\nDATA\r\n")
    assert client.codes(2) == [250, 354]
    client.write(BODY % 1)
    assert client.codes(1) == [250]
    assert json.loads(ledger.read_text())["rcpt"] == "r@y.example"
    client.close()
    process.terminate()
    told, _ = process.communicate(timeout=10)
    assert json.loads(told) == {"accepted": 1, "complaints": []}


@pytest.fixture
def echo():
    """A server that answers each piece with the same in capitals, and counts them."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connected: socket.socket) -> None:
        with connected:
            try:
                while piece := connected.recv(1000):
                    heard.append(piece)
                    connected.sendall(piece.upper())
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connected,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1], heard
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_the_proxy_does_to_a_line_what_it_is_told(echo):
    port, heard = echo
    with proxy.before(port) as line:
        with socket.create_connection(("127.0.0.1", line.port), 5) as near:
            near.sendall(b"one")
            assert near.recv(10) == b"ONE"
            line.switch(proxy.BLACKHOLE)
            near.sendall(b"two")
            near.settimeout(0.2)
            with pytest.raises(TimeoutError):
                near.recv(10)
            near.settimeout(5)
            line.switch(proxy.PASS)
            assert near.recv(10) == b"TWO"
            line.drop_reply(b"COMMIT")
            near.sendall(b"COMMIT")
            with pytest.raises(ConnectionResetError):
                near.recv(10)
            assert (heard[-1], line.dropped) == (b"COMMIT", 1)
        line.switch(proxy.REFUSE)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", line.port), 5)
        line.switch(proxy.RESET)
        # The reset may be there before the connection is told that it stands.
        with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", line.port), 5) as near:
            near.recv(10)
        line.switch(proxy.PASS)
        with socket.create_connection(("127.0.0.1", line.port), 5) as near:
            near.sendall(b"three")
            assert near.recv(10) == b"THREE"
