"""The real parts a flow is driven with: the running service, a receiving mail server, a feed over HTTP, a browser."""

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, sync_playwright

from newsletter import settings
from tests import needed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(happened: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """What `happened` answers once it is true; fails naming what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := happened():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


@dataclass
class Received:
    """A receiving mail server's handler: keeps each message with its envelope."""

    letters: list[tuple[str, bytes]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.letters += [(address, envelope.original_content) for address in envelope.rcpt_tos]
        return "250 taken"

    def to(self, address: str) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for who, raw in self.letters if who == address]


@contextlib.contextmanager
def post_office() -> Iterator[tuple[Received, int]]:
    """A mail server on loopback: (what it received, its port)."""
    received, port = Received(), free_port()
    controller = Controller(received, hostname="127.0.0.1", port=port, decode_data=False)
    controller.start()
    try:
        yield received, port
    finally:
        controller.stop()


class _Feed(http.server.BaseHTTPRequestHandler):
    """Serves the server's `document`."""

    def do_GET(self) -> None:
        body = self.server.document.encode()  # type: ignore[attr-defined]
        self.server.polls += 1  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def rss(*headlines: str) -> str:
    """An RSS document with an item a headline, published a minute ago."""
    now = format_datetime(datetime.now(UTC) - timedelta(minutes=1))
    items = "".join(
        f"<item><title>{headline}</title><link>https://magazine.example/{number}</link><guid>{number}</guid>"
        f"<description>What {headline} means.</description><pubDate>{now}</pubDate></item>"
        for number, headline in enumerate(headlines)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Wire</title>{items}</channel></rss>'


@contextlib.contextmanager
def feed_server(document: str) -> Iterator[http.server.HTTPServer]:
    """A web server on loopback that serves one feed; set its `document` to publish."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Feed)
    server.document, server.polls = document, 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Service:
    """The running service under its supervisor, and its command line."""

    base: str
    environment: dict[str, str]
    process: "subprocess.Popen[str]"
    output: Path

    def flask(self, *arguments: str) -> dict[str, Any]:
        """One `flask newsletter` command's JSON answer; fails with its sentence."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "newsletter", *arguments, "--json"],
            cwd=settings.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@contextlib.contextmanager
def service(folder: Path, database_url: str = "", **variables: str) -> Iterator[Service]:
    """`python app.py` on a free port with its own instance folder; stopped by one signal at the end."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEWSLETTER_", "PORT"))}
    environment |= {"NEWSLETTER_INSTANCE": str(folder), "NEWSLETTER_PORT": str(port), **variables}
    if database_url:
        environment["NEWSLETTER_DATABASE_URL"] = database_url
    output = folder.parent / f"{folder.name}.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=settings.ROOT, env=environment, stdout=log, stderr=log, text=True
        )
        try:
            base = f"http://127.0.0.1:{port}"
            until(lambda: _is_ready(process, base, output), seconds=90, what="the start")
            yield Service(base, environment, process, output)
        finally:
            process.terminate()
            process.wait(timeout=40)


def _is_ready(process: "subprocess.Popen[str]", base: str, output: Path) -> bool:
    assert process.poll() is None, output.read_text()
    with contextlib.suppress(URLError, OSError), urlopen(f"{base}/readyz", timeout=2) as answer:
        return answer.status == 200 and "No mail leaves this machine." in output.read_text()
    return False


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=needed.chromium(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        try:
            yield started
        finally:
            started.close()
