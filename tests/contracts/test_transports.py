"""What every transport promises, held against all of them: a server over a socket, a folder, a list."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter import settings
from newsletter.outbox.replies import Reply
from newsletter.outbox.transports import folder, memory, smtp
from newsletter.outbox.transports.session import Envelope, Ready, Session, Transport
from tests.outbox import smtp_server

pytestmark = pytest.mark.usefixtures("configured")


@dataclass
class Way:
    """A transport, what arrived by it, and how it is made to fail at the hand-over."""

    transport: Transport
    arrived: Callable[[], list[bytes]]
    fail: Callable[[], None]


@pytest.fixture(params=["smtp", "smtp over tls", "folder", "memory"])
def way(request, tmp_path: Path, configured) -> Iterator[Way]:
    match request.param:
        case "folder":
            yield _folder(tmp_path / "mail")
        case "memory":
            yield _memory()
        case kind:
            tls = "starttls" if "tls" in kind else "none"
            with smtp_server.Server(tls=tls) as server:
                yield _smtp(server, configured, tls)


def test_a_message_arrives_as_it_was_handed_over(way):
    content = _message(1, body="One line\r\n.\r\n..two dots\r\nMAIL FROM:<e@example.com>\r\n.dot\r\n")
    with _session(way) as session:
        assert isinstance(session.offer(_envelope(content)), Ready)
        reply = session.hand_over(content)
    assert reply.phase == "dot"
    assert reply.is_accepted
    assert way.arrived() == [content]


def test_one_session_takes_many_messages_and_may_be_told_of_the_next(way):
    contents = [_message(number) for number in range(3)]
    with _session(way) as session:
        for content, following in zip(contents, [*contents[1:], None], strict=True):
            assert isinstance(session.offer(_envelope(content)), Ready)
            assert session.hand_over(content, _envelope(following) if following else None).is_accepted
    assert sorted(way.arrived()) == contents


def test_nothing_arrives_of_a_message_that_was_only_offered(way):
    with _session(way) as session:
        assert isinstance(session.offer(_envelope(_message(1))), Ready)
        session.drop()
    assert way.arrived() == []


def test_a_dropped_session_says_that_nothing_was_handed_over_or_that_it_does_not_know(way):
    content = _message(1)
    with _session(way) as session:
        session.offer(_envelope(content))
        session.drop()
        if not isinstance(way.transport, folder.Transport):
            reply = session.hand_over(content)
            assert reply.is_lost
            assert way.arrived() == []


def test_what_could_not_be_handed_over_is_not_there_and_said_to_be_lost(way):
    content = _message(1)
    with _session(way) as session:
        assert isinstance(session.offer(_envelope(content)), Ready)
        way.fail()
        reply = session.hand_over(content)
    assert (reply.phase in ("data", "dot"), reply.code, reply.is_lost) == (True, None, True)
    assert way.arrived() == []


def test_a_session_can_be_closed_at_any_moment_and_twice(way):
    session = _open(way)
    session.close()
    session.close()
    dropped = _open(way)
    dropped.drop()
    dropped.close()


class _session:  # noqa: N801 - read as: with _session(way)
    def __init__(self, way: Way) -> None:
        self._session = _open(way)

    def __enter__(self) -> Session:
        return self._session

    def __exit__(self, *_: object) -> None:
        self._session.close()


def _open(way: Way) -> Session:
    session = way.transport.open()
    assert not isinstance(session, Reply)
    return session


def _envelope(content: bytes) -> Envelope:
    return Envelope("news@magazine.example", "reader@readers.example", len(content))


def _message(number: int, body: str = "Hello\r\n") -> bytes:
    head = f"Message-ID: <{number}.abc@magazine.example>\r\nDate: Tue, 03 Nov 2026 07:00:00 +0000\r\n"
    return f"{head}Subject: Hello\r\n\r\n{body}".encode()


def _folder(path: Path) -> Way:
    def fail() -> None:
        # The folder is gone in the middle: the portable way to a disk that does not take a file.
        path.rename(path.with_name("elsewhere"))

    return Way(folder.Transport(path), lambda: [file.read_bytes() for file in sorted(path.glob("*.eml"))], fail)


def _memory() -> Way:
    transport = memory.Transport()

    def fail() -> None:
        transport.answer = lambda phase, _: Reply("dot", None) if phase == "dot" else None

    return Way(transport, lambda: [content for _, content in transport.accepted], fail)


def _smtp(server: smtp_server.Server, configured: settings.Settings, tls: str) -> Way:
    chosen = replace(
        configured,
        smtp_url=f"smtp://localhost:{server.port}?tls={tls}",
        command_time=timedelta(seconds=5),
        dot_time=timedelta(seconds=5),
    )

    def fail() -> None:
        server.rules.append(smtp_server.Rule("dot", smtp_server.DROP))

    transport = smtp.from_settings(chosen, smtp_server.trusting())
    return Way(transport, lambda: [line["body"] for line in server.accepted], fail)
