"""compose.yaml and Dockerfile: every service's command run as written, as processes of this machine."""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest
import yaml
from sqlalchemy import func, select

from newsletter import db, jobs, settings
from newsletter.issues import composing, lifecycle
from newsletter.issues.models import Issue
from newsletter.jobs import registry
from newsletter.outbox.models import Message
from tests.flows import parts
from tests.issues.world import article, magazine, newsletter, reader

READERS = 300


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((settings.ROOT / "compose.yaml").read_text())
    return found["services"]


def image() -> list[str]:
    """The command of the image itself, from its last line."""
    last = (settings.ROOT / "Dockerfile").read_text().strip().split("\n")[-1]
    assert last.startswith("CMD [")
    words: list[str] = yaml.safe_load(last.removeprefix("CMD "))
    return words


def variables(service: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    """A service's environment, with ${...} replaced as compose replaces it."""

    def value(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(":")
        assert name in given or default.startswith("-"), f"{name} must be given"
        return given.get(name, default[1:])

    return {name: re.sub(r"\$\{([^}]+)\}", value, text) for name, text in service["environment"].items()}


def test_web_scheduler_and_three_workers_wait_for_a_migrated_database(compose):
    assert set(compose) == {"database", "init", "web", "scheduler", "worker"}
    assert compose["worker"]["deploy"]["replicas"] == 3
    assert compose["init"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    for name in ("web", "scheduler", "worker"):
        waits_for = {other: how["condition"] for other, how in compose[name]["depends_on"].items()}
        assert waits_for == {"database": "service_healthy", "init": "service_completed_successfully"}


def test_what_is_set_and_copied_exists(compose):
    known = {f"NEWSLETTER_{row.name.upper()}" for row in dataclasses.fields(settings.Settings)}
    for name in ("init", "web", "scheduler", "worker"):
        assert set(compose[name]["environment"]) <= known
    example = set(re.findall(r"^(\w+)=", (settings.ROOT / "example.env").read_text(), re.MULTILINE))
    needed = re.findall(r"\$\{(\w+):\?", (settings.ROOT / "compose.yaml").read_text())
    assert set(needed) <= example
    dockerfile = (settings.ROOT / "Dockerfile").read_text()
    let_through = re.findall(r"^!([\w.]+)/?$", (settings.ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.MULTILINE)
    assert sorted(copied) == sorted(let_through)
    assert all((settings.ROOT / name).exists() for name in copied)
    assert dockerfile.index("\nUSER newsletter\n") > dockerfile.rindex("\nRUN ")


def test_only_what_answers_is_asked_whether_it_is_healthy(compose):
    # `docker compose up --wait` fails for a service that switches off a check of its image.
    assert "HEALTHCHECK" not in (settings.ROOT / "Dockerfile").read_text()
    assert {name for name, service in compose.items() if "healthcheck" in service} == {"database", "web"}


def test_the_image_is_built_once_and_asked_of_no_registry(compose):
    ours = {name: service for name, service in compose.items() if name != "database"}
    assert [name for name, service in ours.items() if "build" in service] == ["init"]
    assert {service["pull_policy"] for service in ours.values()} == {"never"}


def test_a_process_told_to_stop_while_it_starts_ends(compose):
    # Number 1 of a container gets no signal that it does not handle; docker-init is number 1 instead.
    assert all(service["init"] for name, service in compose.items() if name != "database")


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_commands_of_every_service_send_an_issue_together(compose, room, database_url, tmp_path):
    with parts.post_office() as (received, smtp_port), contextlib.ExitStack() as services:
        port = parts.free_port()
        given = {
            "POSTGRES_PASSWORD": "unused",
            "NEWSLETTER_BASE_URL": "https://news.magazine.example",
            "NEWSLETTER_SECRET_KEY": settings.current().secret_key,
            "NEWSLETTER_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}?tls=none",
            "NEWSLETTER_SENDER": "The Magazine <news@magazine.example>",
            "NEWSLETTER_POSTAL_ADDRESS": "1 Example Street, Exampletown",
        }

        def start(name: str, number: int = 1) -> "subprocess.Popen[bytes]":
            environment = variables(compose[name], given) | {"NEWSLETTER_DATABASE_URL": database_url}
            command = [
                word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in compose[name].get("command", image())
            ]
            return services.enter_context(_process(command, environment, tmp_path / f"{name}-{number}.log"))

        init = start("init")
        assert init.wait(120) == 0
        running = [start("web"), start("scheduler"), *(start("worker", number) for number in (1, 2, 3))]
        parts.until(lambda: _is_healthy(port), seconds=120, what="the web server's start")
        all_of_them = (3, 3 * len(registry.QUEUES))
        parts.until(lambda: _workers(database_url) == all_of_them, seconds=180, what="the workers' start")
        issue_id = _approved_issue()
        settings.use(dataclasses.replace(settings.current(), engine="procrastinate"))
        lifecycle.send_now(db.session.get_one(Issue, issue_id), actor="ed")
        jobs.defer("release", issue_id=issue_id)
        db.session.commit()
        parts.until(lambda: len(received.letters) >= READERS, seconds=120, what="the issue's end")
        # docs/scaling.md says how many connections to PostgreSQL all of this takes.
        assert _connections(database_url) < 60
        for process in running:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(60) for process in running] == [0] * 5, "see the logs"
        assert not [log.name for log in tmp_path.glob("*.log") if "was killed" in log.read_text()]
    assert len({address for address, _ in received.letters}) == len(received.letters) == READERS
    db.session.rollback()
    assert dict(db.session.execute(select(Message.state, func.count()).group_by(Message.state)).all()) == {
        "sent": READERS
    }


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=settings.ROOT,
            env={"PATH": binaries, "FLASK_APP": "newsletter.factory", **environment},
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _approved_issue() -> int:
    magazine()
    made = newsletter("hand")
    for _ in range(READERS):
        reader("music", of=made)
    article("music", ready_at=datetime.now(UTC))
    issue = composing.compose(made)
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    return issue.id


def _is_healthy(port: int) -> bool:
    with contextlib.suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}/healthz", timeout=4) as answer:
        return answer.status == 200
    return False


def _workers(url: str) -> tuple[int, ...]:
    """How many delivery and jobs workers have said that they live."""
    asked = "SELECT (SELECT count(*) FROM worker WHERE ended_at IS NULL), (SELECT count(*) FROM procrastinate_workers)"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return tuple(connection.execute(asked).fetchone() or ())


def _connections(url: str) -> int:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchone()
        return int(found[0]) if found else 0
