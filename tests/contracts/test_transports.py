"""What every transport's courier promises, held against all of them: a server over a socket, a folder, a list."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter import settings
from newsletter.outbox.parcels import Asked, Courier, Told, Transport
from newsletter.outbox.replies import Fate, Reply, classify
from newsletter.outbox.transports import folder, memory, smtp
from tests.outbox import smtp_server
from tests.outbox.carrying import deliver, parcel, until_asked

pytestmark = pytest.mark.usefixtures("configured")


@dataclass
class Way:
    """A transport, what arrived by it, and how it is made to fail at the hand-over."""

    transport: Transport
    arrived: Callable[[], list[bytes]]
    fail: Callable[[], None]


@pytest.fixture(params=["smtp", "smtp, one by one", "smtp over tls", "folder", "memory"])
def way(request, tmp_path: Path, configured) -> Iterator[Way]:
    match request.param:
        case "folder":
            yield _folder(tmp_path / "mail")
        case "memory":
            yield _memory()
        case kind:
            tls = "starttls" if "tls" in kind else "none"
            with smtp_server.Server(tls=tls) as server:
                yield _smtp(server, replace(configured, pipelining="one by one" not in kind), tls)


@pytest.fixture
def courier(way) -> Iterator[Courier]:
    one = way.transport.courier()
    yield one
    one.close()


def test_a_message_arrives_as_it_was_handed_over(way, courier):
    content = _message(1, body="One line\r\n.\r\n..two dots\r\nMAIL FROM:<e@example.com>\r\n.dot\r\n")
    (reply,) = deliver(courier, parcel(content))
    assert (reply.phase, reply.is_accepted) == ("dot", True)
    assert way.arrived() == [content]


def test_many_messages_over_a_few_connections_arrive_each_once(way, courier):
    contents = [_message(number) for number in range(10, 50)]
    parcels = [parcel(content, number=number) for number, content in enumerate(contents)]
    assert all(reply.is_accepted for reply in deliver(courier, *parcels, connections=3))
    assert sorted(way.arrived()) == contents


def test_nothing_arrives_of_a_message_that_was_denied_and_the_next_one_does(way, courier):
    denied, content = parcel(_message(1)), _message(2)
    assert isinstance(until_asked(courier, denied), Asked)
    courier.answer([], [denied])
    assert deliver(courier, parcel(content, number=2))[0].is_accepted
    assert way.arrived() == [content]


def test_what_was_not_offered_yet_comes_back(way, courier):
    parcels = [parcel(_message(number), number=number) for number in range(5)]
    asked = until_asked(courier, parcels[0])
    waiting = parcels[1:]
    carried = []
    while courier.wants(1) > 0:
        carried.append(waiting.pop(0))
        courier.carry(carried[-1])
    assert courier.withdraw() == carried
    courier.answer([asked.parcel], [])
    assert [event.parcel for event in courier.listen(2) if isinstance(event, Told)] == [parcels[0]]
    assert way.arrived() == [_message(0)]


def test_broken_off_in_the_middle_nothing_arrives_and_nobody_is_left_waiting(way, courier):
    one = parcel(_message(1))
    until_asked(courier, one)
    courier.break_off()
    (told,) = courier.listen(1)
    assert told.parcel is one
    assert classify(told.reply).fate is Fate.NOT_SENT
    assert way.arrived() == []


def test_what_could_not_be_handed_over_is_not_there_and_said_to_be_lost(way, courier):
    one = parcel(_message(1))
    until_asked(courier, one)
    way.fail()
    courier.answer([one], [])
    (told,) = courier.listen(5)
    assert (told.reply.phase in ("data", "dot"), told.reply.code, told.reply.is_lost) == (True, None, True)
    assert way.arrived() == []


def test_a_courier_can_be_closed_at_any_moment(way):
    way.transport.courier().close()
    busy = way.transport.courier()
    until_asked(busy, parcel(_message(1)))
    busy.close()
    assert way.arrived() == []


def _message(number: int, body: str = "Hello\r\n") -> bytes:
    head = f"Message-ID: <{number}.abc@magazine.example>\r\nDate: Tue, 03 Nov 2026 07:00:00 +0000\r\n"
    return f"{head}Subject: Hello\r\n\r\n{body}".encode()


def _folder(path: Path) -> Way:
    def fail() -> None:
        # The folder is gone in the middle: the portable way to a disk that does not take a file.
        path.rename(path.with_name("elsewhere"))

    def arrived() -> list[bytes]:
        return sorted(file.read_bytes() for file in path.glob("*.eml"))

    return Way(folder.Transport(path), arrived, fail)


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
