"""The processes of `python app.py`: web, scheduler and delivery worker, started, watched and stopped together."""

import argparse
import functools
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.request import urlopen

from newsletter import children, db, errors, factory, schema, settings
from newsletter.children import Child, Family
from newsletter.demo import loading
from newsletter.publication import legal, newsletters
from newsletter.staff import editors

START_TIME = 90.0  # seconds the web server has to answer
EARLY = 1.5  # a child that ends within this many seconds has failed to start
STOP_TIME = 30.0  # seconds the children have to finish the message in flight (delivery.md 2.5)


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
    family = Family(_children(chosen), stop_time=STOP_TIME)
    failed = family.run(functools.partial(_wait_for_start, announcement))
    if failed:
        print(f"The {failed} did not start, so everything was stopped.", file=sys.stderr)
    return 1 if failed else 0


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
    app = factory.create_rooms(chosen)
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
    environment = {"NEWSLETTER_PORT": str(chosen.port)}
    os.environ.update(environment)
    return [
        Child("web server", web),
        Child("scheduler", children.command("scheduler")),
        Child("delivery worker", children.command("worker")),
    ]


def _wait_for_start(announcement: Announcement, family: Family) -> str:
    """The name of what failed to start; or nothing, announced, once the web server answers and the others live."""
    began_at, is_answering = time.monotonic(), False
    while not family.is_stopping and time.monotonic() - began_at < START_TIME:
        if ended := family.who_ended():
            return ended
        is_answering = is_answering or _answers(announcement.probe)
        if is_answering and time.monotonic() - began_at > EARLY:
            announcement.print()
            return ""
        time.sleep(0.1)
    return "" if family.is_stopping else "web server"


def _answers(probe: str) -> bool:
    with suppress(OSError), urlopen(probe, timeout=2) as answer:  # noqa: S310 - our own address
        return bool(answer.status == 200)
    return False
