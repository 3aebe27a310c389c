"""Mail servers that behave badly, met by `flask newsletter deliver`: what becomes of an issue of twelve."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from tests import needed
from tests.faults import proxy, stage, truth
from tests.faults.stage import until
from tests.flows.parts import free_port
from tests.outbox import smtp_server
from tests.outbox.smtp_server import Rule, Server

READER_2 = "reader2@"
UNCERTAIN, SENT, PAUSED, RUNNING, FINISHED = "uncertain", "sent", "paused", "running", "finished"

EACH, TOGETHER, SPLIT = "each", "together", "split"


@dataclass(frozen=True)
class Row:
    """A server, and what must have become of the issue when `deliver --until-empty` ends."""

    rules: tuple[Rule, ...] = ()
    options: dict[str, object] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=lambda: {"sent": 12})
    run: str = FINISHED
    reason: str = ""
    settings: dict[str, object] = field(default_factory=dict)


ROWS = {
    # how replies come
    "replies each in a packet, pipelining": Row(options={"pipelining": True, "replies": EACH}),
    "replies together": Row(options={"pipelining": True, "replies": TOGETHER}),
    "replies split in two packets": Row(options={"pipelining": True, "replies": SPLIT}),
    "no pipelining, split": Row(options={"pipelining": False, "replies": SPLIT}),
    "a multi-line acceptance": Row((Rule("dot", "250-2.0.0 Thanks\r\n250 2.0.0 Queued"),)),
    "a strange acceptance": Row((Rule("dot", "299 mm"),)),
    "an acceptance with a NUL": Row((Rule("dot", "250 2.0.0 O\0K"),)),
    "no extension at all": Row(options={"extensions": (), "pipelining": False}),
    # a refused recipient among others, and the three ways a pipelining server answers the DATA that follows
    **{
        f"550 at RCPT, then {then} to DATA, replies {replies}": Row(
            (Rule("rcpt", "550 5.1.1 No such user", r"reader(2|5)@"),),
            {"pipelining": True, "replies": replies, "without_recipient": then},
            {"sent": 10, "bounced": 2},
        )
        for then in ("503 5.5.1 No valid recipients", "554 5.5.1 No valid recipients", "354 Go ahead")
        for replies in (EACH, TOGETHER)
    },
    "all greylisted, lone dots": Row(
        (Rule("rcpt", "451 4.7.1 Greylisted"),),
        {"pipelining": True, "without_recipient": "354 Go ahead"},
        {"deferred": 12},
        RUNNING,
    ),
    "MAIL refused for now, pipelined": Row((Rule("mail", "451 4.3.0 Later", last=2),), {"pipelining": True}),
    # refusals at the dot
    "421 at the dot": Row((Rule("dot", "421 4.3.2 Closing", READER_2),), {}, {"sent": 11, "deferred": 1}, RUNNING),
    "a full mailbox at the dot": Row((Rule("dot", "552 5.2.2 Full", READER_2),), {}, {"sent": 11, "bounced": 1}),
    "too big at the dot": Row(
        (Rule("dot", "552 5.3.4 Too big", last=1),), {}, {"queued": 12}, PAUSED, "larger than", {"connections": 1}
    ),
    "SIZE too small": Row((), {"extensions": ("SIZE 1000",)}, {"queued": 12}, PAUSED, "takes 1000 bytes"),
    "535 to AUTH is ours": Row((Rule("mail", "530 5.7.0 Log in first"),), {}, {"queued": 12}, PAUSED, "530"),
    # lost before the body: nothing at risk, and the same again
    **{
        f"{fault} at {phase}, {'pipelined' if pipelining else 'one by one'}": Row(
            (Rule(phase, fault, last=1),), {"pipelining": pipelining}, settings={"command_time": 1}
        )
        for phase in ("connect", "ehlo", "mail", "rcpt", "data")
        for fault in (smtp_server.DROP, smtp_server.HALF_A_REPLY)
        for pipelining in (True, False)
    },
    **{
        f"a trickle at {phase}": Row((Rule(phase, smtp_server.TRICKLE, last=1),), {}, settings={"command_time": 0.6})
        for phase in ("connect", "ehlo", "data")
    },
    "nonsense to MAIL": Row((Rule("mail", "?!", last=1),)),
    "354 to MAIL": Row((Rule("mail", "354 What", last=1),)),
    # lost after the dot: uncertain, one by one
    **{
        f"{fault} at the dot": Row(
            (Rule("dot", fault, READER_2),),
            {"pipelining": True},
            {"sent": 11, "uncertain": 1},
            settings={"dot_time": 1},
        )
        for fault in (
            smtp_server.DROP,
            smtp_server.HALF_A_REPLY,
            smtp_server.ACCEPT_THEN_DROP,
            smtp_server.ACCEPT_THEN_STALL,
            "what is this",
        )
    },
    "three uncertain in a row": Row(
        (Rule("dot", smtp_server.ACCEPT_THEN_DROP),),
        {},
        {"queued": 9, "uncertain": 3},
        PAUSED,
        "never said what became of them",
        {"connections": 1},
    ),
    # many connections
    "closed after three messages": Row(options={"drop_after": 3, "pipelining": False}),
    "421 after three messages": Row((Rule("mail", "421 4.7.0 Enough", first=4, per_connection=True),)),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_server_that_behaves_badly(name, installation):
    row = ROWS[name]
    with (
        installation("sqlite") as broken,
        Server(rules=[replace(rule) for rule in row.rules], **row.options) as server,
    ):
        broken.post_to(server.port).set(**row.settings)
        ended = broken.run("deliver", "--until-empty")
        assert ended.code == 0, ended.errors
        assert broken.states() == row.states
        ((state, reason),) = broken.ask("SELECT state, paused_reason FROM run WHERE kind = 'issue'")
        assert (state, row.reason in reason) == (row.run, True), reason
        assert server.complaints == []
        truth.assert_all(
            broken.database_url,
            server.accepted,
            crashes=0,
            connections=0,
            lost_replies=row.states.get("uncertain", 0),
            readers=stage.addresses(12),
            is_over=row.run == FINISHED,
        )


def test_a_body_and_the_next_envelope_share_a_fault(installation):
    """Closed by a server that had both: the first is known by its reply, the second was never begun."""
    with (
        installation("sqlite") as broken,
        Server(drop_after=3, pipelining=True) as server,
    ):
        broken.post_to(server.port)
        assert broken.deliver()["sent"] == 12
        truth.assert_all(broken.database_url, server.accepted, crashes=0, connections=0)
        assert server.connections >= 4


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_storm_of_452_over_half_an_issue_passes_and_all_arrive(engine, installation, tell):
    """Nobody is "sent" before the server took it, however often it was tried."""
    with installation(engine) as broken, Server() as server:
        broken.post_to(server.port).set(retry_first=0.3, retry_most=0.6)
        storm = Rule("dot", "452 4.3.1 Insufficient system storage", first=7)
        server.rules.append(storm)
        worker = broken.start("worker")
        until(lambda: storm.hits > 24, seconds=120, what="a second try of each")
        accepted = {line["mid"] for line in server.accepted}
        sent = {row[0] for row in broken.ask("SELECT message_id FROM message WHERE state = 'sent'")}
        assert sent <= accepted
        assert len(accepted) == 6
        # Nobody is tried in a tight loop: one waits, and longer each time.
        time.sleep(1)
        assert storm.hits < 12 + 6 * 12
        server.rules.clear()
        until(lambda: broken.states() == {"sent": 12}, seconds=120, what="the rest", every=0.2)
        worker.signal(15)
        assert worker.wait(30).code == 0
        figures = truth.assert_all(
            broken.database_url, server.accepted, crashes=0, connections=0, readers=stage.addresses(12)
        )
        tell(f"a storm of 452, {engine}", figures)


@pytest.mark.parametrize("mode", [proxy.REFUSE, proxy.RESET, proxy.BLACKHOLE])
def test_a_line_to_the_server_that_breaks_and_heals(mode, installation, tell):
    """What had its dot when the line broke is uncertain, at most one a connection; all else is sent once."""
    with (
        installation("sqlite", readers=400) as broken,
        Server(delay=0.01, keeps_bodies=False) as server,
        proxy.before(server.port) as line,
    ):
        broken.post_to(line.port).set(connections=4, dot_time=1, command_time=1, breaker_uncertain=100)
        worker = broken.start("worker")
        until(lambda: len(server.accepted) > 20, seconds=120, what="the first mails")
        line.switch(mode)
        time.sleep(2)
        line.switch(proxy.PASS)
        until(
            lambda: not broken.ask("SELECT id FROM run WHERE state <> 'finished'"),
            seconds=120,
            what="the end",
            every=0.2,
        )
        worker.signal(15)
        assert worker.wait(30).code == 0
        figures = truth.assert_all(
            broken.database_url,
            server.accepted,
            crashes=0,
            connections=0,
            lost_replies=4,
            readers=stage.addresses(400),
        )
        tell(f"line to the mail server: {mode}", figures)


# A second opinion: Debian's smtp-sink and its own faults.

SINK = {
    "disconnects at the dot": (("-q", "."), {"uncertain": 3, "queued": 9}, PAUSED, 0),
    "450 to RCPT": (("-r", "RCPT"), {"deferred": 12}, RUNNING, 0),
    "450 to RCPT, pipelining off": (("-p", "-r", "RCPT"), {"deferred": 12}, RUNNING, 0),
    "500 at the dot": (("-f", "."), {"queued": 12}, PAUSED, 0),
    "500 to MAIL": (("-f", "MAIL"), {"queued": 12}, PAUSED, 0),
    "421 to MAIL": (("-Q", "MAIL"), {"queued": 12}, RUNNING, 1),
    "550 before the dot": (("-A", "0"), {"bounced": 12}, FINISHED, 0),
    "slow at the dot": (("-w", "1"), {"sent": 12}, FINISHED, 0),
    "no fault": ((), {"sent": 12}, FINISHED, 0),
    "no ESMTP": (("-e",), {"sent": 12}, FINISHED, 0),
}


@pytest.mark.parametrize("name", SINK)
def test_debians_smtp_sink_and_its_faults(name, installation):
    options, states, run, code = SINK[name]
    with installation("sqlite") as broken, _sink(*options) as port:
        broken.post_to(port).set(connections=1)
        ended = broken.run("deliver", "--until-empty")
        assert ended.code == code, ended.errors
        if code:
            assert "The mail server cannot be used" in ended.errors
        assert broken.states() == states
        assert broken.ask("SELECT state FROM run WHERE kind = 'issue'") == [(run,)]
        broken.check()


@contextlib.contextmanager
def _sink(*options: str) -> Iterator[int]:
    program, port = needed.smtp_sink(), free_port()
    if program is None:
        pytest.skip(needed.SMTP_SINK)
    process = subprocess.Popen([program, "-u", "nobody", *options, f"127.0.0.1:{port}", "100"], cwd="/")
    try:
        until(lambda: _answers(port), seconds=10, what="smtp-sink")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
