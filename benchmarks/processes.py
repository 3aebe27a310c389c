"""Running the product's own commands, with what each process cost."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from newsletter import settings

SECRET = "0123456789abcdef" * 4
_FLASK = [sys.executable, "-m", "flask", "--app", "newsletter.factory", "newsletter"]
_LOOK = 0.2  # seconds between two looks at a process's memory


@dataclass(frozen=True)
class Cost:
    """What a process used: seconds by the clock, seconds of processor time, and the most memory it held (RSS)."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    answer: Any
    errors: str


@dataclass
class Running:
    """A process under observation."""

    process: "subprocess.Popen[str]"
    began: float
    output: IO[str]
    complaints: IO[str]
    peak_kb: int = 0

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self) -> Cost:
        """Wait for its end; a failure ends the benchmark with what the process said."""
        _, status, usage = os.wait4(self.process.pid, 0)
        seconds = time.monotonic() - self.began
        self._over.set()
        self._watcher.join()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        said, complained = (_rewound(each) for each in (self.output, self.complaints))
        if self.process.returncode != 0:
            raise SystemExit(f"{self.process.args!r} ended with {self.process.returncode}:\n{complained or said}")
        answer = json.loads(said) if said.startswith("{") else said
        return Cost(seconds, usage.ru_utime + usage.ru_stime, self.peak_kb / 1024, answer, complained)

    def stop(self) -> Cost:
        """SIGTERM, then `wait`."""
        self.process.terminate()
        return self.wait()

    def _watch(self) -> None:
        # VmHWM, as ru_maxrss of a forked process begins with its parent's.
        while not self._over.wait(_LOOK):
            self.peak_kb = max(self.peak_kb, memory(self.process.pid, "VmHWM"))


def start(arguments: list[str], variables: Mapping[str, str], output: IO[str] | None = None) -> Running:
    """A process of ours in the repository's folder, with these NEWSLETTER_* variables and no others.

    What it says goes to `output`, or is kept for `wait`.
    """
    complaints = output or tempfile.TemporaryFile("w+")  # noqa: SIM115 - read after its end
    output = output or tempfile.TemporaryFile("w+")  # noqa: SIM115
    began = time.monotonic()
    process = subprocess.Popen(
        arguments, cwd=settings.ROOT, env=environment(variables), stdout=output, stderr=complaints, text=True
    )
    return Running(process, began, output, complaints)


def start_flask(*arguments: str, variables: Mapping[str, str]) -> Running:
    """`flask newsletter ...`, answering in JSON."""
    return start([*_FLASK, *arguments, "--json"], variables)


def flask(*arguments: str, variables: Mapping[str, str]) -> Cost:
    """`flask newsletter ...` run to its end."""
    return start_flask(*arguments, variables=variables).wait()


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these NEWSLETTER_* variables and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NEWSLETTER_", "PORT"))}
    return {**kept, **variables}


def variables(database_url: str, smtp_port: int = 25, **more: str) -> dict[str, str]:
    """The variables of a production-like installation whose relay is on this machine."""
    return {
        "NEWSLETTER_ENV": "production",
        "NEWSLETTER_BASE_URL": "https://news.magazine.example",
        "NEWSLETTER_DATABASE_URL": database_url,
        "NEWSLETTER_SECRET_KEY": SECRET,
        "NEWSLETTER_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}?tls=none",
        "NEWSLETTER_SENDER": "The Magazine <news@magazine.example>",
        "NEWSLETTER_POSTAL_ADDRESS": "The Magazine, 1 Example Street, Exampletown",
        **more,
    }


def memory(pid: int, name: str = "VmRSS") -> int:
    """Kilobytes of memory a process holds; 0 when it is gone."""
    try:
        found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def used(pid: int) -> float:
    """Seconds of processor time a process and its ended children have used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # utime, stime, and of children that have ended cutime, cstime (proc_pid_stat(5)).
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _rewound(file: IO[str]) -> str:
    if not file.readable():
        return ""
    file.seek(0)
    return file.read().strip()
