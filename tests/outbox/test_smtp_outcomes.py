"""What a real server does on the wire, and what becomes of the message, the run and the address."""

import contextlib
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from newsletter import settings
from newsletter.outbox import suppression
from newsletter.outbox.models import MessageState, Policy, RunState
from newsletter.outbox.replies import Fate, classify
from newsletter.outbox.transports import smtp
from tests.outbox import smtp_server
from tests.outbox.carrying import deliver, parcel
from tests.outbox.smtp_server import Rule, Server

READER_2 = "reader2@"


@pytest.mark.parametrize(
    ("rule", "states"),
    [
        (Rule("rcpt", "450 4.2.0 Greylisted", READER_2), {"sent": 4, "deferred": 1}),
        (Rule("rcpt", "550 5.1.1 No such user", READER_2), {"sent": 4, "bounced": 1}),
        (Rule("dot", "452 4.3.1 Full", READER_2), {"sent": 4, "deferred": 1}),
        (Rule("dot", "554 5.7.1 Spam", READER_2), {"sent": 4, "bounced": 1}),
        (Rule("dot", smtp_server.DROP, READER_2), {"sent": 4, "uncertain": 1}),
        (Rule("dot", smtp_server.STALL, READER_2), {"sent": 4, "uncertain": 1}),
        (Rule("dot", smtp_server.ACCEPT_THEN_DROP, READER_2), {"sent": 4, "uncertain": 1}),
        (Rule("dot", smtp_server.ACCEPT_THEN_STALL, READER_2), {"sent": 4, "uncertain": 1}),
        (Rule("dot", "what is this", READER_2), {"sent": 4, "uncertain": 1}),
        (Rule("dot", "251 2.0.0 Forwarded\r\n", READER_2, last=1), {"sent": 5}),
        # before the body nothing is at risk: the same message again
        (Rule("connect", smtp_server.DROP, last=1), {"sent": 5}),
        (Rule("connect", "421 4.3.2 Busy", last=2), {"sent": 5}),
        (Rule("connect", smtp_server.STALL, last=1), {"sent": 5}),
        (Rule("mail", smtp_server.DROP, last=1), {"sent": 5}),
        (Rule("mail", "451 4.3.0 Later", last=1), {"sent": 5}),
        (Rule("rcpt", smtp_server.DROP, READER_2, last=1), {"sent": 5}),
        (Rule("rcpt", "421 4.7.28 Too fast", READER_2, last=1), {"sent": 5}),
        (Rule("rcpt", smtp_server.STALL, READER_2, last=1), {"sent": 5}),
        (Rule("data", smtp_server.DROP, READER_2, last=1), {"sent": 5}),
        (Rule("data", "451 4.3.0 Later", READER_2, last=1), {"sent": 5}),
        (Rule("data", "250 out of turn", READER_2, last=1), {"sent": 5}),
    ],
    ids=lambda value: f"{value.do} at {value.phase}" if isinstance(value, Rule) else "",
)
def test_one_message_in_trouble_and_four_that_arrive(post_office, rule, states):
    run_id = post_office.plan(5)
    with Server(rules=[replace(rule, hits=0)]) as server:
        post_office.drain(post_office.by_smtp(server))
        _arrived_as_the_ledger_says(post_office, server)
    assert post_office.states() == states
    assert post_office.run(run_id).state is (RunState.RUNNING if "deferred" in states else RunState.FINISHED)


def test_a_message_nobody_lets_pass_waits_and_does_not_hold_up_the_others(post_office):
    post_office.adjust(relay_tries=100)
    post_office.plan(10)
    with Server(rules=[Rule("data", smtp_server.DROP, READER_2)]) as server:
        post_office.drain(post_office.by_smtp(server))
        assert server.rules[0].hits <= 2 * post_office.settings.not_sent_most
    assert post_office.states() == {"sent": 9, "deferred": 1}


@pytest.mark.parametrize("phase", ["mail", "rcpt", "dot"])
def test_a_trickling_server_holds_nobody_longer_than_the_deadline(post_office, phase):
    """30 bytes at 0.1 s each would take 3 s, and no single read is silent for long."""
    post_office.plan(1)
    rule = Rule(phase, smtp_server.TRICKLE, last=1)
    with Server(rules=[rule]) as server, _watched(seconds=2.5):
        post_office.drain(post_office.by_smtp(server))
    assert post_office.states() == ({"uncertain": 1} if phase == "dot" else {"sent": 1})


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("mail", "550 5.7.1 Not you"), "refused the sender"),
        (Rule("ehlo", "550 Go away"), "does not talk to this machine"),
        (Rule("connect", "554 5.7.1 No"), "does not talk to this machine"),
        (Rule("data", "554 5.5.1 No"), "refused to take a message"),
        (Rule("dot", "552 5.3.4 Too big"), "larger than"),
        (Rule("dot", "550 5.7.26 Unauthenticated"), "SPF, DKIM"),
        (Rule("rcpt", "550 5.7.515 Access denied"), "SPF, DKIM"),
    ],
    ids=lambda value: value.do if isinstance(value, Rule) else "",
)
def test_a_senders_fault_pauses_the_issue_at_once_and_penalises_nobody(post_office, rule, words):
    post_office.adjust(connections=4)
    run_id = post_office.plan(40)
    with Server(rules=[rule]) as server:
        post_office.drain(post_office.by_smtp(server))
        assert server.accepted == []
        # One on each connection, and one more that was asked before the pause was committed.
        assert rule.hits <= 8
    run = post_office.run(run_id)
    assert run.state is RunState.PAUSED
    assert words in run.paused_reason
    assert rule.do.split()[0] in run.paused_reason
    assert post_office.states() == {"queued": 40}


def test_a_senders_fault_leaves_a_confirmation_waiting(post_office):
    post_office.enqueue(1)
    with Server(rules=[Rule("mail", "550 5.7.1 Not you", last=1)]) as server:
        post_office.drain(post_office.by_smtp(server))
        assert post_office.states() == {"deferred": 1}
        post_office.pass_time(timedelta(minutes=6))
        post_office.drain(post_office.by_smtp(server))
    assert post_office.states() == {"sent": 1}


def test_one_issues_stop_does_not_stop_another(post_office):
    stopped, other = post_office.plan(10, ref=1), post_office.plan(10, ref=2)
    rules = [Rule("dot", "552 5.3.4 Too big", last=1)]
    post_office.adjust(connections=1)
    with Server(rules=rules) as server:
        post_office.drain(post_office.by_smtp(server))
        assert len(server.accepted) == 10
    assert post_office.run(stopped).state is RunState.PAUSED
    assert post_office.run(other).state is RunState.FINISHED


def test_three_lost_replies_in_a_row_pause_the_issue(post_office):
    run_id = post_office.plan(60)
    with Server(rules=[Rule("dot", smtp_server.ACCEPT_THEN_DROP)]) as server:
        post_office.drain(post_office.by_smtp(server))
    run = post_office.run(run_id)
    assert run.state is RunState.PAUSED
    assert "never said what became of them" in run.paused_reason
    # Three, and what the other connections had in flight.
    assert 3 <= post_office.states()["uncertain"] <= 3 + 4
    assert server.copies == {}


def test_many_bounces_among_the_first_pause_the_issue(post_office):
    post_office.adjust(breaker_sample=100)
    run_id = post_office.plan(150)
    with Server(rules=[Rule("rcpt", "550 5.1.1 No such user", r"reader\d*[05]@")]) as server:
        post_office.drain(post_office.by_smtp(server))
    run = post_office.run(run_id)
    assert run.state is RunState.PAUSED
    assert "of the first" in run.paused_reason
    assert 6 <= post_office.states()["bounced"] <= 9
    assert run.sampled <= 60


def test_under_retry_a_lost_reply_is_sent_again_at_most_three_times(post_office):
    post_office.adjust(breaker_uncertain=100)
    post_office.plan(3, policy=Policy.RETRY)
    rules = [Rule("dot", smtp_server.ACCEPT_THEN_DROP, READER_2), Rule("dot", smtp_server.DROP, "reader3@", last=1)]
    with Server(rules=rules) as server:
        post_office.drain(post_office.by_smtp(server))
        copies = [line["rcpt"] for line in server.accepted].count("reader2@readers.example")
        assert len({line["sha"] for line in server.accepted}) == 3
    assert copies == post_office.settings.doubts_most == post_office.message(2).doubts
    assert post_office.message(2).state is MessageState.UNCERTAIN
    assert [post_office.message(number).state for number in (1, 3)] == [MessageState.SENT] * 2


def test_a_bounce_is_remembered_and_the_address_gets_no_further_issue(post_office):
    post_office.plan(3)
    rules = [
        Rule("rcpt", "550 5.1.1 No such user", READER_2),
        Rule("rcpt", "550 5.7.1 Rejected by policy", "reader3@", last=1),
    ]
    with Server(rules=rules) as server:
        post_office.drain(post_office.by_smtp(server))
        assert suppression.is_suppressed("reader2@readers.example")
        assert not suppression.is_suppressed("reader3@readers.example")
        post_office.plan(3, ref=2)
        assert post_office.drain(post_office.by_smtp(server)) == {"sent": 2, "skipped": 1}


def test_a_server_that_closes_after_some_messages_is_no_failure(post_office):
    post_office.adjust(connections=2)
    run_id = post_office.plan(20)
    with Server(drop_after=3) as server:
        assert post_office.drain(post_office.by_smtp(server)) == {"sent": 20}
        assert server.connections >= 7
    assert post_office.run(run_id).state is RunState.FINISHED
    assert {message.attempts for message in post_office.messages()} == {1}


def test_a_server_that_closes_politely_with_421_is_no_failure_either(post_office):
    post_office.adjust(connections=1)
    post_office.plan(9)
    rules = [Rule("mail", "421 4.7.0 Enough for this connection", first=4, last=4)]
    with Server(rules=rules) as server:
        assert post_office.drain(post_office.by_smtp(server)) == {"sent": 9}
        assert server.connections == 2


def test_a_connection_that_breaks_in_the_body_has_not_sent_it(post_office):
    big = b"x" * 8_000_000
    chosen = settings.current()
    with (
        Server(rules=[Rule("body", smtp_server.DROP_IN_BODY)]) as server,
        contextlib.closing(post_office.by_smtp(server).courier()) as courier,
    ):
        (reply,) = deliver(courier, parcel(b"Subject: x\r\n\r\n" + big))
    assert (reply.phase, classify(reply).fate) == ("data", Fate.NOT_SENT)
    assert chosen is settings.current()


def test_a_message_larger_than_ehlo_allows_is_not_even_offered(post_office):
    run_id = post_office.plan(5)
    with Server(extensions=("SIZE 100",)) as server:
        post_office.drain(post_office.by_smtp(server))
        assert not [command for command in server.commands if command.startswith("MAIL")]
    run = post_office.run(run_id)
    assert run.state is RunState.PAUSED
    assert "takes 100 bytes" in run.paused_reason


def test_international_addresses(post_office):
    """Domains go as A-labels; a local part beyond ASCII needs SMTPUTF8, and without it is skipped: no bounce."""
    strange = ("a b@readers.example", "a@b.example>\r\nRCPT TO:<c@d.example")
    for extensions, expected in ((("SIZE 0", "SMTPUTF8", "8BITMIME"), None), (("SIZE 0",), Fate.SKIPPED)):
        with (
            Server(extensions=extensions) as server,
            contextlib.closing(post_office.by_smtp(server).courier()) as courier,
        ):
            addresses = ["reader@bücher.example", "jürgen@readers.example", *strange]
            parcels = [parcel(b"Subject: x\r\n\r\nx\r\n", each) for each in addresses]
            domain, local, *others = deliver(courier, *parcels)
        assert domain.is_accepted
        assert "RCPT TO:<reader@xn--bcher-kva.example>" in server.commands
        assert all(classify(reply).fate is Fate.SKIPPED for reply in others)
        if expected is None:
            assert local.is_accepted
            assert "RCPT TO:<jürgen@readers.example>" in server.commands
            assert any(command.endswith("BODY=8BITMIME SMTPUTF8") for command in server.commands)
        else:
            assert classify(local).fate is expected
        assert len([command for command in server.commands if command.startswith("RCPT")]) == 1 + (expected is None)


def test_bare_line_ends_and_dots_cannot_smuggle_a_second_message(post_office):
    content = b"Subject: x\r\n\r\nx\n.\nMAIL FROM:<e@e>\r.\r\n.\r\nDATA\r\n.end"
    with Server() as server, contextlib.closing(post_office.by_smtp(server).courier()) as courier:
        assert deliver(courier, parcel(content))[0].is_accepted
    assert [line["body"] for line in server.accepted] == [
        b"Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<e@e>\r\n.\r\n.\r\nDATA\r\n.end\r\n"
    ]


def test_a_relay_that_is_down_loses_nothing_and_says_so(post_office):
    run_id = post_office.plan(5)
    with Server() as server:
        transport = post_office.by_smtp(server)
    work = post_office.drainer(transport)
    assert work.run(until_empty=True, stop=threading.Event()) == {}
    assert "The mail server cannot be used" in work.trouble
    assert post_office.states() == {"queued": 5}
    assert post_office.run(run_id).state is RunState.RUNNING


@pytest.mark.parametrize(
    ("server", "asked", "words"),
    [
        (Server(tls="starttls", certificate="wrong"), "smtp", "not trusted"),
        (Server(tls="implicit", certificate="wrong"), "smtps", "not trusted"),
        (Server(tls="none"), "smtp", "offers no STARTTLS"),
        (Server(tls="starttls", rules=[Rule("starttls", "454 4.7.0 Not now")]), "smtp", "Not now"),
        (Server(tls="starttls", rules=[Rule("starttls", smtp_server.DROP)]), "smtp", ""),
        (Server(tls="none"), "smtps", "No TLS connection"),
    ],
    ids=["wrong name", "wrong name, implicit", "stripped", "refused", "dropped", "not TLS"],
)
def test_without_the_safe_connection_asked_for_nothing_is_said(post_office, server, asked, words):
    server = replace(server, user="news", password="s3cret-of-ours")
    with server:
        transport = _secure(server, asked, "news:s3cret-of-ours@")
        with contextlib.closing(transport.courier()) as courier:
            (reply,) = deliver(courier, parcel(b"Subject: x\r\n\r\nx\r\n"))
    assert words in reply.text
    assert not reply.is_accepted
    assert b"s3cret" not in server.in_the_clear
    assert not [command for command in server.commands if command.startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize(("tls", "asked"), [("starttls", "smtp"), ("implicit", "smtps")])
def test_over_tls_with_a_password(post_office, tls, asked):
    with (
        Server(tls=tls, user="ne:ws", password="s3/cret @") as server,
        contextlib.closing(_secure(server, asked, "ne%3Aws:s3%2Fcret%20%40@").courier()) as courier,
    ):
        assert deliver(courier, parcel(b"Subject: x\r\n\r\nx\r\n"))[0].is_accepted
    assert b"MAIL FROM" not in server.in_the_clear


def test_a_wrong_password_is_tried_once_and_pauses_the_issue(post_office):
    run_id = post_office.plan(20)
    with Server(tls="starttls", user="news", password="right") as server:
        post_office.drain(_secure(server, "smtp", "news:wrong@"))
        assert len([command for command in server.commands if command.startswith("AUTH")]) <= 2  # PLAIN, LOGIN
        assert server.connections == 1
    run = post_office.run(run_id)
    assert run.state is RunState.PAUSED
    assert "user name or password" in run.paused_reason


def _secure(server: Server, scheme: str, login: str = "") -> smtp.Transport:
    url = f"{scheme}://{login}localhost:{server.port}"
    return smtp.from_settings(replace(settings.current(), smtp_url=url), smtp_server.trusting())


def _arrived_as_the_ledger_says(post_office, server: Server) -> None:
    """No false "sent", nothing accepted that is not known, no copies."""
    sent = {message.message_id for message in post_office.messages() if message.state is MessageState.SENT}
    known = sent | {m.message_id for m in post_office.messages() if m.state is MessageState.UNCERTAIN}
    accepted = {line["mid"] for line in server.accepted}
    assert sent <= accepted <= known
    assert server.copies == {}


class _watched:  # noqa: N801 - read as: with _watched(seconds=2)
    """Fails when the block takes longer, rather than when it ends."""

    def __init__(self, *, seconds: float) -> None:
        self._late = threading.Event()
        self._timer = threading.Timer(seconds, self._late.set)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        assert not self._late.is_set()
