"""`flask newsletter worker`: several delivery processes at one outbox, replaced when killed, ended by one signal."""

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from newsletter import children, db, settings
from newsletter.issues import composing, lifecycle, planning
from newsletter.outbox.models import Message, MessageState, Worker
from tests.flows import parts
from tests.issues.world import article, magazine, newsletter, reader
from tests.jobs.working import until

READERS = 60


def send_an_issue() -> list[str]:
    """Release an issue; the addresses it goes to."""
    magazine()
    made = newsletter("hand")
    readers = [reader("music", of=made).address for _ in range(READERS)]
    article("music", ready_at=datetime.now(UTC))
    issue = composing.compose(made)
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    db.session.commit()
    assert planning.release(issue.id)
    db.session.rollback()
    return readers


@contextlib.contextmanager
def workers(tmp_path: Path, port: int, engine: str, *options: str, rate: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """The command, until the end of the block, which it must leave by one signal in under 30 s."""
    present = settings.current()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")} | {
        "NEWSLETTER_INSTANCE": str(tmp_path / "workers"),
        "NEWSLETTER_SECRET_KEY": present.secret_key,
        "NEWSLETTER_DATABASE_URL": present.database_url,
        "NEWSLETTER_SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none",
        "NEWSLETTER_ENGINE": engine,
        "NEWSLETTER_RELAY_RATE": str(rate),
    }
    log = tmp_path / "workers.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*children.command("worker", *options), "--json"],
            cwd=settings.ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        try:
            yield process
        finally:
            family = children_of(process.pid)
            began_at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, log.read_text()
    assert time.monotonic() - began_at < 30
    assert '"stopped": true' in said
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()]


def children_of(pid: int) -> dict[int, str]:
    """The living children of a process: their command lines by pid."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError):
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
    return found


def states() -> Counter[str]:
    counted = looked(select(Message.state, func.count(Message.id)).group_by(Message.state))
    return Counter({state.value: count for state, count in counted})


def alive() -> list[int]:
    """The pids of the delivery processes that have said they live."""
    return [pid for (pid,) in looked(select(Worker.pid).where(Worker.ended_at.is_(None)).order_by(Worker.pid))]


def looked(query: Select[Any]) -> list[Any]:
    """What a query finds now; nothing stays open that the workers would have to wait for."""
    db.session.rollback()
    with db.reading():
        found = db.session.execute(query).all()
    db.session.rollback()
    return list(found)


@pytest.mark.parametrize(
    ("database_url", "engine", "jobs_processes"),
    [("sqlite", "embedded", 0), ("postgresql", "embedded", 0), ("postgresql", "procrastinate", 1)],
    indirect=["database_url"],
)
def test_three_processes_share_an_issue_and_one_that_is_killed_is_replaced(room, tmp_path, engine, jobs_processes):
    with parts.post_office() as (received, port), workers(tmp_path, port, engine, "--processes", "3") as parent:
        until(lambda: len(alive()) == 3, what="the start of three delivery processes")
        family = children_of(parent.pid)
        assert Counter(words.split()[-1] for words in family.values()) == Counter(
            {"deliver": 3} | ({"jobs": jobs_processes} if jobs_processes else {})
        )
        os.kill(alive()[0], signal.SIGKILL)
        until(lambda: len(children_of(parent.pid)) == 3 + jobs_processes, what="the killed one's next start")
        readers = send_an_issue()
        until(lambda: states()["sent"] == READERS, what="the issue's end")
    assert states() == {"sent": READERS}
    assert sorted(address for address, _ in received.letters) == sorted(readers)


def test_a_signal_in_the_middle_of_an_issue_leaves_nothing_in_doubt(room, tmp_path):
    with parts.post_office() as (received, port):
        readers = send_an_issue()
        # At full speed all of them are served before a signal can come.
        with workers(tmp_path, port, "embedded", "--processes", "2", rate=20):
            until(lambda: received.letters, what="the first mail")
        half = states()
        assert half["queued"] > 0
        assert half["sent"] == len(received.letters)
        assert half["sent"] + half["queued"] == READERS
        assert {state for state, count in half.items() if count} <= {MessageState.SENT, MessageState.QUEUED}
        with workers(tmp_path, port, "embedded", "--processes", "2"):
            until(lambda: states()["sent"] == READERS, what="the issue's end")
    assert sorted(address for address, _ in received.letters) == sorted(readers)


def test_jobs_are_refused_where_the_scheduler_does_them(room):
    answer = room.test_cli_runner().invoke(args=["newsletter", "jobs"])
    assert answer.exit_code == 1
    assert "the scheduler does the jobs" in answer.output
