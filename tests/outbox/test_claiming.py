"""Pages made beside the sending."""

import threading

import pytest

from newsletter import db
from newsletter.outbox.drain import Drain
from newsletter.outbox.transports import memory
from tests.conftest import both_engines
from tests.outbox.conftest import compose, of_pages


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_messages_leave_while_the_next_page_takes_long_to_compose(post_office):
    post_office.adjust(connections=2)
    post_office.plan(20)
    has_left, transport, waited = threading.Event(), memory.Transport(), []

    def answer(phase: str, _recipient: str) -> None:
        # The first page is of eight; the next is made while two of it are still to leave.
        if phase == "dot" and len(transport.accepted) == 7:
            has_left.set()

    def composing(rows):
        if rows[0].recipient_id > 1:
            waited.append(has_left.wait(10))
        return of_pages(compose)(rows)

    transport.answer = answer
    assert _drain(post_office, transport, composing).run(until_empty=True, stop=threading.Event()) == {"sent": 20}
    assert waited
    assert all(waited)


@both_engines
def test_a_worker_that_is_stopped_while_it_makes_a_page_leaves_every_message_queued(post_office):
    post_office.plan(20)
    stop, transport = threading.Event(), memory.Transport()

    def composing(rows):
        stop.set()
        return of_pages(compose)(rows)

    assert _drain(post_office, transport, composing).run(until_empty=False, stop=stop) == {}
    assert post_office.states() == {"queued": 20}
    assert {message.claimed_by for message in post_office.messages()} == {None}


def _drain(post_office, transport, composing) -> Drain:
    db.session.rollback()
    return Drain(post_office.engine, transport, compose=composing)
