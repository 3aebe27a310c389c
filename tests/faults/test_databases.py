"""The database goes away, forgets to answer, or is full: nothing leaves without the ledger, and nothing is lost."""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from tests import postgres
from tests.conftest import _create_database
from tests.faults import proxy, stage, truth
from tests.faults.stage import Stage, until
from tests.outbox.smtp_server import Server

CONNECTIONS, READERS = 4, 400

Meanwhile = Callable[[postgres.Server, proxy.Proxy], None]


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Server]:
    """A PostgreSQL of our own, that may be stopped."""
    if postgres.binaries() is None:
        pytest.skip(postgres.MISSING)
    with postgres.private() as server:
        yield server


@pytest.fixture(scope="session")
def original(cluster: postgres.Server, runner: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("cluster")
    return Stage(folder, runner, _create_database(cluster.url)).prepare(READERS, state="released")


def _restart(cluster: postgres.Server, line: proxy.Proxy) -> None:
    cluster.stop(at_once=True)
    time.sleep(1)
    cluster.start()


def _restart_again_and_again(cluster: postgres.Server, line: proxy.Proxy) -> None:
    for _ in range(3):
        _restart(cluster, line)
        time.sleep(0.5)


def _terminate(cluster: postgres.Server, line: proxy.Proxy) -> None:
    engine = sqlalchemy.create_engine(cluster.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for _ in range(10):
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'newsletter%%'"
            )
            time.sleep(0.05)
    engine.dispose()


def _forget_answers(to: bytes) -> Meanwhile:
    def act(cluster: postgres.Server, line: proxy.Proxy) -> None:
        line.drop_reply(to, times=5)
        until(lambda: line.dropped >= 5, seconds=120, what=f"five answers lost to {to!r}")

    return act


def _blackhole(seconds: float) -> Meanwhile:
    def act(cluster: postgres.Server, line: proxy.Proxy) -> None:
        line.switch(proxy.BLACKHOLE)
        time.sleep(seconds)
        line.switch(proxy.PASS)

    return act


def _refuse(cluster: postgres.Server, line: proxy.Proxy) -> None:
    line.switch(proxy.REFUSE)
    time.sleep(1.5)
    line.switch(proxy.PASS)


TROUBLES: dict[str, Meanwhile] = {
    "stopped at once and started": _restart,
    "backends terminated": _terminate,
    "answers to COMMIT lost": _forget_answers(b"COMMIT"),
    "nobody listens": _refuse,
}
LONGER: dict[str, Meanwhile] = {
    "stopped at once and started, three times": _restart_again_and_again,
    "answers to updates lost": _forget_answers(b"UPDATE"),
    "silent for 5 s": _blackhole(5),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_postgresql_in_trouble_while_an_issue_is_sent(trouble, cluster, original, tmp_path, tell):
    _send_in(TROUBLES[trouble], trouble, cluster, original, tmp_path, tell)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", LONGER)
def test_postgresql_in_longer_trouble(trouble, cluster, original, tmp_path, tell):
    _send_in(LONGER[trouble], trouble, cluster, original, tmp_path, tell)


def _send_in(act: Meanwhile, trouble: str, cluster, original, tmp_path, tell) -> None:
    """No process dies and no reply is lost: all is sent once, and nothing stays in doubt."""
    with (
        stage.copy_of(original, tmp_path / "stage") as troubled,
        Server(delay=0.02, keeps_bodies=False) as server,
        proxy.before(cluster.port) as line,
    ):
        url = sqlalchemy.make_url(troubled.database_url).set(port=line.port).render_as_string(hide_password=False)
        troubled.post_to(server.port).set(connections=CONNECTIONS, database_url=url)
        worker = troubled.start("deliver", "--until-empty")
        until(lambda: len(server.accepted) > 20, seconds=120, what="the first mails")
        act(cluster, line)
        assert len(server.accepted) < READERS, "the trouble came too late to matter"
        ended = worker.wait()
        assert ended.code == 0, ended.errors
        figures = truth.assert_all(
            troubled.database_url, server.accepted, crashes=0, connections=0, readers=stage.addresses(READERS)
        )
        troubled.check()
        tell(f"PostgreSQL {trouble}", figures)


def test_without_its_database_a_worker_sends_nothing_and_says_why(cluster, original, tmp_path):
    """Beyond the body that was already allowed on each connection."""
    with (
        stage.copy_of(original, tmp_path / "stage") as troubled,
        Server(delay=0.02, keeps_bodies=False) as server,
        proxy.before(cluster.port) as line,
    ):
        url = sqlalchemy.make_url(troubled.database_url).set(port=line.port).render_as_string(hide_password=False)
        troubled.post_to(server.port).set(connections=CONNECTIONS, database_url=url)
        worker = troubled.start("worker")
        until(lambda: len(server.accepted) > 20, seconds=120, what="the first mails")
        line.switch(proxy.REFUSE)
        before = len(server.accepted)
        time.sleep(1)
        assert len(server.accepted) - before <= 2 * CONNECTIONS
        until(lambda: "database_unreachable" in worker.errors(), seconds=60, what="a word about it")
        line.switch(proxy.PASS)
        until(lambda: len(server.accepted) == READERS, seconds=120, what="the rest")
        worker.signal(signal.SIGTERM)
        assert worker.wait(30).code == 0
        truth.assert_all(troubled.database_url, server.accepted, crashes=0, connections=0)


def test_a_worker_never_gives_itself_up_however_slow_its_database_is(cluster, original, tmp_path):
    """Each question takes longer than a worker may be silent; there is nobody else, so nobody is dead."""
    with (
        stage.copy_of(original, tmp_path / "stage") as slow,
        Server(keeps_bodies=False) as server,
        proxy.before(cluster.port) as line,
    ):
        url = sqlalchemy.make_url(slow.database_url).set(port=line.port).render_as_string(hide_password=False)
        slow.post_to(server.port).set(database_url=url, worker_silence=0.1, worker_heartbeat=0.2)
        line.delay = 0.06
        worker = slow.start("worker")
        until(lambda: len(server.accepted) >= 3, seconds=60, what="the first messages")
        line.delay = 0.0
        worker.signal(signal.SIGTERM)
        assert worker.wait(30).code == 0
        assert slow.ask("SELECT count(*) FROM worker") == [(1,)]
        assert slow.ask("SELECT count(*) FROM message WHERE state = 'uncertain'") == [(0,)]


# A full disk, by a small file system of its own.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("A small file system can only be mounted by root.")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Not a byte left in the folder's file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65_536, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    yield
    filler.unlink()


def _on(folder: Path, prepared: Stage, runner: Path) -> Stage:
    (folder / "stage").mkdir()
    shutil.copy(prepared.database_url.removeprefix("sqlite:///"), folder / "newsletter.db")
    # What processes say goes elsewhere: only the database is out of room.
    return Stage(folder.parent, runner, f"sqlite:///{folder}/newsletter.db")


def test_a_full_disk_stops_the_sender_before_the_next_body_and_loses_nothing(small_disk, prepared, runner, tell):
    full = _on(small_disk, prepared("sqlite", READERS, "released"), runner)
    with Server(delay=0.02, keeps_bodies=False) as server:
        full.post_to(server.port).set(connections=CONNECTIONS)
        worker = full.start("worker")
        until(lambda: len(server.accepted) > 20, seconds=120, what="the first mails")
        with _full(small_disk):
            until(lambda: re.search("disk is full|disk I/O", worker.errors()), seconds=60, what="a word about it")
            before = len(server.accepted)
            time.sleep(1)
            assert len(server.accepted) - before <= CONNECTIONS
            assert before < READERS
        until(lambda: len(server.accepted) == READERS, seconds=120, what="the rest")
        worker.signal(signal.SIGTERM)
        assert worker.wait(30).code == 0
        figures = truth.assert_all(
            full.database_url, server.accepted, crashes=0, connections=0, readers=stage.addresses(READERS)
        )
        assert full.ask("PRAGMA integrity_check") == [("ok",)]
        full.check()
        tell("SQLite disk full while sending", figures)


def test_with_a_full_disk_a_sign_up_is_told_so_and_nothing_is_half_written(small_disk, prepared, runner):
    full = _on(small_disk, prepared("sqlite", 12, "none"), runner)
    with full.web() as browser:
        before = _people(full)
        with _full(small_disk):
            # The journal may have room for a few more.
            answers = [browser.sign_up(number) for number in range(200)]
            refused = [each for each in answers if each.status_code != 200]
            assert {each.status_code for each in refused} == {503}
            assert "Nothing was changed and nothing is lost" in refused[0].text
            assert browser.client.get("/subscribe").status_code == 200
        taken = len(answers) - len(refused)
        assert browser.sign_up(999).status_code == 200
        assert [now - then for now, then in zip(_people(full), before, strict=True)] == [taken + 1] * 3
    assert full.ask("PRAGMA integrity_check") == [("ok",)]
    full.check()


def _people(full: Stage) -> list[int]:
    tables = ("subscriber", "consent_record", "message")
    return [full.ask(f"SELECT count(*) FROM {table}")[0][0] for table in tables]
