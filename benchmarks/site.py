"""The whole product running by `python app.py`, with the memory of each of its processes."""

import contextlib
import http.client
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes, wire

# No limit of the sign-up is to stop visitors who all come from one machine.
_OPEN_DOORS = {
    "NEWSLETTER_FORM_MINIMUM_TIME": "0",
    "NEWSLETTER_SIGNUPS_PER_NETWORK": "100000000",
    "NEWSLETTER_SIGNUPS_IN_TOTAL": "100000000",
    "NEWSLETTER_DEMO": "no",
}
# What in a process's command line tells what it is.
_NAMES = {"gunicorn": "web server", "scheduler": "scheduler", "worker": "delivery worker", "app.py": "supervisor"}


@dataclass(frozen=True)
class Site:
    """A running installation."""

    port: int
    variables: Mapping[str, str]
    running: processes.Running
    log: Path

    def flask(self, *arguments: str) -> Any:
        """The JSON answer of a `flask newsletter` command."""
        return processes.flask(*arguments, variables=self.variables).answer

    def memory(self) -> dict[str, float]:
        """Megabytes (RSS) of each of its processes, several of one name added."""
        held: dict[str, float] = {}
        for pid in _descendants(self.running.pid):
            name = _name(pid)
            held[name] = held.get(name, 0.0) + processes.memory(pid) / 1024
        return held


@contextlib.contextmanager
def site(database_url: str, smtp_port: int, log: Path, **more: str) -> Iterator[Site]:
    """`python app.py` on this database and relay; stopped by one signal at the end."""
    port = wire.free_port()
    variables = processes.variables(database_url, smtp_port, NEWSLETTER_PORT=str(port), **_OPEN_DOORS, **more)
    variables["NEWSLETTER_INSTANCE"] = str(log.parent)
    with log.open("w") as file:
        running = processes.start([sys.executable, "app.py"], variables, output=file)
        try:
            _wait_until_ready(running, port, log)
            yield Site(port, variables, running, log)
        finally:
            running.stop()


def _wait_until_ready(running: processes.Running, port: int, log: Path) -> None:
    for _ in range(600):
        if running.process.poll() is not None:
            raise SystemExit(f"The product did not start:\n{log.read_text()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"The product was not ready in a minute:\n{log.read_text()}")


def _descendants(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [pid, *(each for child in children for each in _descendants(child))]
    return []


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        for word, name in _NAMES.items():
            if any(word == part or part.endswith(f"/{word}") for part in command):
                return name
    return "other"
