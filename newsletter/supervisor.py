"""The processes of `python app.py`: web, scheduler and delivery worker, started, watched and stopped together."""

import argparse
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from urllib.request import urlopen

from newsletter import db, errors, factory, schema, settings
from newsletter.demo import loading
from newsletter.publication import legal, newsletters
from newsletter.staff import editors

START_TIME = 90.0  # seconds the web server has to answer
STOP_TIME = 30.0  # seconds the children have to finish the message in flight (delivery.md 2.5)
EARLY = 3.0  # a child that ends within this many seconds of the first start has failed to start
LONGEST_BACKOFF = 60.0


@dataclass
class Child:
    """One child process and how often it had to be started again."""

    name: str
    arguments: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    started_at: float = 0.0
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Watches the children until told to stop."""

    children: list[Child]
    stopping: bool = field(default=False)

    def run(self, settled: "Announcement") -> int:
        """Start all, announce once the web server answers, watch; the exit code of the whole."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        for child in self.children:
            _start(child)
        try:
            if failed := self._wait_for_start(settled.probe):
                if not self.stopping:
                    print(f"The {failed} did not start, so everything was stopped.", file=sys.stderr)
                return 0 if self.stopping else 1
            settled.print()
            self._watch()
            return 0
        finally:
            _stop_all(self.children)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _wait_for_start(self, probe: str) -> str:
        """The name of what failed to start, or nothing once the web server answers and the others live."""
        begun, answered = time.monotonic(), False
        while time.monotonic() - begun < START_TIME:
            for child in self.children:
                if self.stopping or (child.process and child.process.poll() is not None):
                    return child.name
            answered = answered or _answers(probe)
            if answered and time.monotonic() - begun > EARLY / 2:
                return ""
            time.sleep(0.1)
        return "web server"

    def _watch(self) -> None:
        while not self.stopping:
            for child in self.children:
                _restart_when_ended(child)
            time.sleep(0.2)


@dataclass(frozen=True)
class Announcement:
    """What is printed once everything runs."""

    probe: str
    lines: Sequence[str]

    def print(self) -> None:
        print("\n".join(self.lines), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything until Ctrl-C or SIGTERM; 0 after a clean stop, 1 with one sentence when it could not start."""
    try:
        chosen = _settings(arguments)
        _check_port(chosen)
        announcement = _prepare(chosen)
    except errors.NewsletterError as error:
        print(error.message, file=sys.stderr)
        return 1
    return Supervisor(_children(chosen)).run(announcement)


def _settings(arguments: Sequence[str] | None) -> settings.Settings:
    parser = argparse.ArgumentParser(
        prog="app.py", description="Run the web server, the scheduler and the delivery worker."
    )
    parser.add_argument("--port", type=int, help="port of the web server (default: PORT, else 8000)")
    parser.add_argument("--no-demo", action="store_true", help="start an empty magazine instead of the sample one")
    options = parser.parse_args(arguments)
    environment = dict(os.environ)
    if options.port is not None:
        environment["NEWSLETTER_PORT"] = str(options.port)
    if options.no_demo:
        environment["NEWSLETTER_DEMO"] = "no"
    return settings.load(environment)


def _check_port(chosen: settings.Settings) -> None:
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((chosen.host, chosen.port))
        except OSError as error:
            raise errors.ConfigurationError(
                f"Port {chosen.port} on {chosen.host} cannot be used ({os.strerror(error.errno or 0).lower()}). "
                f"Choose another: PORT={chosen.port + 1} make run."
            ) from None


def _prepare(chosen: settings.Settings) -> Announcement:
    """Migrate, fill an empty development database, and gather what to announce."""
    settings.use(chosen)
    schema.upgrade()
    app = factory.create_app(chosen)
    with app.app_context():
        if chosen.is_development:
            legal.publish_placeholders()
            if chosen.demo and newsletters.default() is None:
                loading.load()
        desk = _desk_line()
        db.session.commit()
        for engine in db.extension.engines.values():
            engine.dispose()
    return Announcement(probe=f"http://{_probe_host(chosen)}:{chosen.port}/healthz", lines=_lines(chosen, desk))


def _desk_line() -> str:
    base = settings.current().base_url
    token = editors.first_setup_token()
    return f"{base}/admin/setup/{token}  (opens once)" if token else f"{base}/admin"


def _lines(chosen: settings.Settings, desk: str) -> list[str]:
    base = chosen.base_url
    lines = [
        f"The magazine   {base}/sample" if chosen.is_development else f"Newsletters    {base}/",
        f"Sign up        {base}/subscribe",
    ]
    if chosen.smtp_url:
        where = "No mail leaves this machine." if chosen.is_development else "Mail leaves through the configured relay."
        return [*lines, f"Editor's desk  {desk}", where]
    return [*lines, f"Local inbox    {base}/inbox", f"Editor's desk  {desk}", "No mail leaves this machine."]


def _probe_host(chosen: settings.Settings) -> str:
    if chosen.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{chosen.host}]" if ":" in chosen.host else chosen.host


def _children(chosen: settings.Settings) -> list[Child]:
    python = sys.executable
    bind = f"[{chosen.host}]:{chosen.port}" if ":" in chosen.host else f"{chosen.host}:{chosen.port}"
    # One process of eight threads: 894 requests/s at 58 MB, measured against granian and waitress.
    web = [
        python,
        "-m",
        "gunicorn",
        "--bind",
        bind,
        "--worker-class",
        "gthread",
        "--workers",
        "1",
        "--threads",
        "8",
        "--graceful-timeout",
        "10",
        "--log-level",
        "warning",
        "--no-control-socket",
        "newsletter.factory:create_app()",
    ]
    flask = [python, "-m", "flask", "--app", "newsletter.factory", "newsletter"]
    environment = {"NEWSLETTER_PORT": str(chosen.port)}
    os.environ.update(environment)
    return [
        Child("web server", web),
        Child("scheduler", [*flask, "scheduler"]),
        Child("delivery worker", [*flask, "worker"]),
    ]


def _start(child: Child) -> None:
    child.process = subprocess.Popen(
        child.arguments,
        cwd=settings.ROOT,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    child.started_at, child.restart_at = time.monotonic(), None


def _die_with_parent() -> None:
    # PR_SET_PDEATHSIG: were the supervisor killed outright, nobody else would stop the children.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _answers(probe: str) -> bool:
    with suppress(OSError), urlopen(probe, timeout=2) as answer:  # noqa: S310 - our own address
        return bool(answer.status == 200)
    return False


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


def _stop_all(children: list[Child]) -> None:
    running = [child.process for child in children if child.process and child.process.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + STOP_TIME
    for process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()
