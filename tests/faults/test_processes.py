"""Processes that die, freeze, are sent away or start all at once: nobody is lost, nobody gets two."""

import contextlib
import random
import signal
import time

import pytest

from tests.faults import stage, truth
from tests.faults.conftest import Staged, Tell
from tests.faults.stage import Process, Stage, until
from tests.outbox.smtp_server import ACCEPT_THEN_STALL, Rule, Server

CONNECTIONS = 4


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments(seed, installation, tell):
    _kill_at_random(seed, 600, 3, installation, tell)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(3, 203))
def test_killed_at_random_moments_in_a_longer_issue(seed, installation, tell):
    _kill_at_random(seed, 2500, 10, installation, tell)


def _kill_at_random(seed: int, readers: int, lives: int, installation: Staged, tell: Tell) -> None:
    chance = random.Random(seed)
    engine, policy = ("sqlite", "postgresql")[seed % 2], (truth.HOLD, truth.RETRY)[seed // 2 % 2]
    with (
        installation(engine, readers=readers) as broken,
        Server(delay=0.002, keeps_bodies=False, pipelining=chance.random() < 0.5) as server,
    ):
        broken.post_to(server.port).set(connections=CONNECTIONS, claim_page=50).follow(policy)
        crashes = 0
        for _ in range(lives):
            had = len(server.accepted)
            life = broken.start("deliver", "--until-empty")
            is_over = _one_more(server, life, had)
            time.sleep(chance.uniform(0.0, 0.6))
            with contextlib.suppress(ProcessLookupError):
                life.signal(signal.SIGKILL)
            crashes += life.wait().was_killed
            if is_over:
                break
        assert crashes, "the issue was sent before anybody could be killed"
        broken.deliver()
        figures = truth.assert_all(
            broken.database_url,
            server.accepted,
            crashes=crashes,
            connections=CONNECTIONS,
            policy=policy,
            readers=stage.addresses(readers),
        )
        assert server.complaints == []
        broken.check()
        tell(f"kill -9 seed {seed} {engine} {policy} {readers} readers {crashes} kills", figures)


def _one_more(server: Server, life: Process, had: int) -> bool:
    """Wait until this life delivered something; True when there was nothing left to deliver."""
    until(lambda: len(server.accepted) > had or not life.is_alive(), seconds=120, what="a mail")
    return len(server.accepted) == had


# On SQLite only where no transaction can be open: one that is frozen in it locks everybody out, whoever it is.
FROZEN = [
    ("claim.after_commit", "sqlite", truth.HOLD, 0),
    ("claim.after_commit", "postgresql", truth.HOLD, 0),
    ("smtp.after_354", "postgresql", truth.HOLD, 0),
    ("intent.after_commit", "sqlite", truth.HOLD, 2),
    ("intent.after_commit", "postgresql", truth.RETRY, 2),
    ("reply.before_commit", "postgresql", truth.HOLD, 2),
]


@pytest.mark.parametrize(("point", "engine", "policy", "doubtful"), FROZEN)
def test_a_frozen_worker_that_wakes_after_others_took_over(point, engine, policy, doubtful, installation, tell):
    """Silent for longer than worker_silence it is dead for good: what it had only claimed never leaves it."""
    with installation(engine) as broken, Server() as server:
        broken.post_to(server.port).follow(policy)
        frozen = broken.start("deliver", "--until-empty", stop=f"{point}:1")
        until(frozen.is_stopped, seconds=120, what=f"the stop at {point}")
        broken.deliver()
        others = len(server.accepted)
        frozen.signal(signal.SIGCONT)
        assert frozen.wait().code == 0
        assert len(server.accepted) - others <= doubtful
        figures = truth.assert_all(
            broken.database_url,
            server.accepted,
            crashes=1,
            connections=doubtful,
            policy=policy,
            readers=stage.addresses(12),
        )
        broken.check()
        tell(f"frozen at {point} {engine} {policy}", figures)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_stopped_worker_leaves_nothing_in_doubt(engine, seed, installation, tell):
    """SIGTERM at random moments: the messages in flight are finished, the rest is given back."""
    chance = random.Random(f"{engine} {seed}")
    with installation(engine, readers=600) as broken, Server(delay=0.005, keeps_bodies=False) as server:
        broken.post_to(server.port).set(connections=CONNECTIONS, claim_page=50)
        for _ in range(3):
            had = len(server.accepted)
            worker = broken.start("worker")
            _one_more(server, worker, had)
            time.sleep(chance.uniform(0, 0.3))
            _stopped_in_time(worker)
            assert set(broken.states()) <= {"queued", "sent"}
        broken.deliver()
        figures = truth.assert_all(
            broken.database_url, server.accepted, crashes=0, connections=0, readers=stage.addresses(600)
        )
        tell(f"SIGTERM seed {seed} {engine}", figures)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_import_killed_at_a_random_moment_is_finished_by_the_same_file(engine, installation, tmp_path):
    """Nobody twice, nobody left out, and a record of consent each."""
    chance, file = random.Random(engine), stage.sheet(tmp_path / "more.csv", 1500)
    with installation(engine, state="none") as broken:
        for _ in range(2):
            killed = broken.start("subscriber", "import", str(file))
            time.sleep(chance.uniform(0.1, 1.0))
            with contextlib.suppress(ProcessLookupError):
                killed.signal(signal.SIGKILL)
            killed.wait()
        broken.flask("subscriber", "import", str(file))
        people = broken.ask(
            "SELECT address, (SELECT count(*) FROM consent_record WHERE subscriber_id = subscriber.id), "
            "(SELECT count(*) FROM subscription WHERE subscriber_id = subscriber.id) FROM subscriber"
        )
        assert len(people) == 1500
        assert {address for address, _, _ in people} == stage.addresses(1500)
        assert min(records for _, records, _ in people) >= 1
        assert {wishes for _, _, wishes in people} == {1}
        broken.check()


def test_a_stopped_worker_waits_no_longer_than_it_may_for_a_silent_server(installation):
    """What was handed over and never answered is uncertain, one a connection; the process still ends."""
    with (
        installation("sqlite") as broken,
        Server(rules=[Rule("dot", ACCEPT_THEN_STALL)]) as server,
    ):
        broken.post_to(server.port).set(stop_time=1, dot_time=600)
        worker = broken.start("worker")
        until(lambda: len(server.accepted), seconds=120, what="a mail")
        time.sleep(0.3)
        _stopped_in_time(worker)
        states = broken.states()
        assert set(states) <= {"queued", "uncertain"}
        assert 1 <= states["uncertain"] <= 2
        assert {line["mid"] for line in server.accepted} == {
            row[0] for row in broken.ask("SELECT message_id FROM message WHERE state = 'uncertain'")
        }


def _stopped_in_time(worker: Process) -> None:
    worker.signal(signal.SIGTERM)
    ended = worker.wait(30)
    assert ended.code == 0, ended.errors


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("point", ["dot.before_reply", "reply.before_commit"])
def test_no_confirmation_is_lost_when_its_sender_is_killed(engine, point, installation):
    """Confirmations retry: a second copy is the price, the same message each time."""
    with installation(engine, state="none") as broken, Server() as server:
        broken.post_to(server.port)
        with broken.web() as browser:
            assert [browser.sign_up(number).status_code for number in range(6)] == [200] * 6
        assert broken.run("deliver", "--until-empty", kill=f"{point}:2").was_killed
        broken.deliver()
        assert broken.states() == {"sent": 6}
        assert set(server.recipients) == {f"new{number}@readers.example" for number in range(6)}
        assert len(server.accepted) - 6 == sum(count - 1 for count in server.copies.values()) <= 2
        assert len({(line["mid"], line["sha"]) for line in server.accepted}) == 6


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("word", ["pause", "cancel"])
def test_a_word_of_the_editors_takes_effect_within_one_message_per_connection(engine, word, installation):
    with installation(engine, readers=600) as broken, Server(delay=0.01, keeps_bodies=False) as server:
        broken.post_to(server.port).set(connections=CONNECTIONS, claim_page=50)
        worker = broken.start("worker")
        until(lambda: len(server.accepted) > 20, seconds=120, what="the first mails")
        broken.flask("issue", word, "1")
        before = len(server.accepted)
        time.sleep(0.5)
        assert len(server.accepted) - before <= CONNECTIONS
        assert before < 600, "the issue was sent before it could be stopped"
        if word == "pause":
            until(
                lambda: set(broken.states()) <= {"queued", "sent"}, seconds=10, what="giving back the claims", every=0.2
            )
            broken.flask("issue", "resume", "1")
            until(lambda: _finished(broken), seconds=120, what="the issue's end", every=0.2)
        _stopped_in_time(worker)
        rest = {} if word == "pause" else {"cancelled": 600 - len(server.accepted)}
        assert broken.states() == {"sent": len(server.accepted), **rest}
        assert server.copies == {}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_nobody_is_written_to_after_they_were_suppressed_but_who_was_on_the_wire(engine, installation):
    with installation(engine, readers=600) as broken, Server(delay=0.01, keeps_bodies=False) as server:
        broken.post_to(server.port).set(connections=CONNECTIONS, claim_page=50)
        worker = broken.start("deliver", "--until-empty")
        until(lambda: len(server.accepted) > 20, seconds=120, what="the first mails")
        broken.ask(
            "INSERT INTO suppression (address, digest, reason, note, created_at) "
            "SELECT DISTINCT address_key, address_key, 'request', '', CURRENT_TIMESTAMP FROM message"
        )
        before = len(server.accepted)
        assert worker.wait().code == 0
        assert before <= len(server.accepted) <= before + CONNECTIONS < 600
        assert broken.states() == {"sent": len(server.accepted), "skipped": 600 - len(server.accepted)}
        truth.assert_all(broken.database_url, server.accepted, crashes=0, connections=0)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_schedulers_and_four_workers_from_one_barrier(engine, installation, tmp_path, tell):
    """An occurrence that is due now is composed, planned and released once, and each reader gets it once."""
    with installation(engine, state="none") as broken, Server() as server:
        broken.post_to(server.port).set(tick_interval=0.2, worker_silence=30, worker_heartbeat=1, release_ahead=0)
        broken.appears_now()
        barrier = tmp_path / "barrier"
        commands = [("scheduler",)] * 2 + [("worker",)] * 4
        processes = [broken.start(*command, barrier=barrier) for command in commands]
        barrier.touch()
        try:
            until(lambda: _finished(broken), seconds=120, what="the issue's end", every=0.2)
            time.sleep(0.5)  # for whatever would happen a second time
        finally:
            for process in processes:
                process.signal(signal.SIGTERM)
            ended = [process.wait(30) for process in processes]
        assert [each.code for each in ended] == [0] * 6, "\n".join(each.errors for each in ended)
        assert broken.ask("SELECT count(*), count(DISTINCT local_on) FROM occurrence") == [(1, 1)]
        assert broken.ask("SELECT count(*) FROM issue WHERE state = 'released'") == [(1,)]
        figures = truth.assert_all(
            broken.database_url, server.accepted, crashes=0, connections=0, readers=stage.addresses(12)
        )
        broken.check()
        tell(f"2 schedulers and 4 workers at once, {engine}", figures)


def _finished(broken: Stage) -> bool:
    return bool(broken.ask("SELECT id FROM run WHERE kind = 'issue' AND state = 'finished'"))
