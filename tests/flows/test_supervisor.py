"""The processes of `python app.py`: started together, watched, stopped together."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from newsletter import settings
from tests.flows import parts


def _children(pid: int) -> dict[int, str]:
    """The living children of a process: their command lines by pid."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _start_and_fail(folder: Path, **variables: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    environment |= {"NEWSLETTER_INSTANCE": str(folder), "NEWSLETTER_DEMO": "no", **variables}
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=settings.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_one_signal_stops_every_process_and_a_killed_one_is_started_again(tmp_path):
    with parts.service(tmp_path / "instance", NEWSLETTER_DEMO="no") as running:
        printed = running.output.read_text()
        for line in ("/sample", "/subscribe", "/inbox", "/admin/setup/", "No mail leaves this machine."):
            assert line in printed
        before = _children(running.process.pid)
        assert len(before) == 3
        scheduler = next(pid for pid, words in before.items() if words.endswith("scheduler "))
        os.kill(scheduler, signal.SIGKILL)
        parts.until(
            lambda: set(_children(running.process.pid)) - set(before), seconds=20, what="the scheduler's new start"
        )
        assert "The scheduler ended" in running.output.read_text()
        group = set(_children(running.process.pid))
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=40) == 0
        assert not [pid for pid in group if Path(f"/proc/{pid}").exists()]
        assert "Traceback" not in running.output.read_text()


def test_what_stops_the_start_is_said_in_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = _start_and_fail(tmp_path / "a", NEWSLETTER_PORT=port)
        assert (code, said.count("\n")) == (1, 1)
        assert f"Port {port}" in said
    code, said = _start_and_fail(tmp_path / "b", NEWSLETTER_PORT="nine")
    assert (code, said) == (1, "NEWSLETTER_PORT must be a whole number, not 'nine'.\n")
    code, said = _start_and_fail(tmp_path / "c", NEWSLETTER_BASE_URL="https://news.magazine.example")
    assert code == 1
    assert said.startswith("NEWSLETTER_SECRET_KEY must be set in production")
