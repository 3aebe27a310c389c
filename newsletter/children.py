"""Child processes: started, watched, started again with a growing wait when they end, and stopped together."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from newsletter import settings

LONGEST_BACKOFF = 60.0
_LOOK = 0.2  # seconds between two looks at the children


@dataclass
class Child:
    """One child process and how often it had to be started again. A quiet one's standard output is not shown."""

    name: str
    arguments: Sequence[str]
    is_quiet: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    started_at: float = 0.0
    restart_at: float | None = None


class Family:
    """Children that live and end together, in a process of one thread that the signals belong to."""

    def __init__(self, children: Sequence[Child], *, stop_time: float) -> None:
        self.children = children
        self.is_stopping = False
        self._stop_time = stop_time

    def run(self, wait_for_start: Callable[["Family"], str] = lambda _: "") -> str:
        """Start all, and watch them until SIGTERM, SIGINT or SIGHUP; all are stopped when this returns.

        Where `wait_for_start` names a child that did not start, nothing is watched and the name is returned.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        try:
            for child in self.children:
                _start(child)
            failed = wait_for_start(self)
            if not failed:
                self._watch()
            return "" if self.is_stopping else failed
        finally:
            self._stop_all()

    def who_ended(self) -> str:
        """The name of a child that does not run, or nothing."""
        ended = [child.name for child in self.children if child.process and child.process.poll() is not None]
        return ended[0] if ended else ""

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stopping = True

    def _watch(self) -> None:
        while not self.is_stopping:
            for child in self.children:
                _restart_when_ended(child)
            time.sleep(_LOOK)

    def _stop_all(self) -> None:
        running = [(child, child.process) for child in self.children if child.process and child.process.poll() is None]
        for _, process in running:
            process.terminate()
        deadline = time.monotonic() + self._stop_time
        for _, process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        for child, process in running:
            if process.poll() is None:
                print(f"The {child.name} did not end when told to, and was killed.", file=sys.stderr)
                process.kill()
                process.wait()


def command(*arguments: str) -> list[str]:
    """The argument list of a `flask newsletter` command."""
    return [sys.executable, "-m", "flask", "--app", "newsletter.factory", "newsletter", *arguments]


def _start(child: Child) -> None:
    child.process = subprocess.Popen(
        child.arguments,
        cwd=settings.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if child.is_quiet else None,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    child.started_at, child.restart_at = time.monotonic(), None


def _die_with_parent() -> None:
    # PR_SET_PDEATHSIG: were the parent killed outright, nobody else would stop the children.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _restart_when_ended(child: Child) -> None:
    now = time.monotonic()
    if child.restart_at is not None:
        if now >= child.restart_at:
            _start(child)
    elif child.process and child.process.poll() is not None:
        # A child that had lived for a while gets its next start at once and the backoff anew.
        child.failures = 0 if now - child.started_at > LONGEST_BACKOFF else child.failures + 1
        wait = min(LONGEST_BACKOFF, 2.0**child.failures / 2)
        print(
            f"The {child.name} ended (code {child.process.returncode}); starting it again in {wait:.0f} s.",
            file=sys.stderr,
        )
        child.restart_at = now + wait
