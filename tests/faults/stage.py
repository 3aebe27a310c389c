"""A whole installation to break: a database, settings, a receiving server, and processes of the command line."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import sqlalchemy
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from newsletter import clock, db, factory, settings
from tests.conftest import _create_database, _drop_database

# Everything quick: a dead worker is noticed at once, a plan takes several pages, a claim several turns.
QUICK = {
    "WORKER_HEARTBEAT": "0.1",
    "WORKER_SILENCE": "0.6",
    "RELAY_REST": "0.01",
    "COMMAND_TIME": "5",
    "DOT_TIME": "5",
    "STOP_TIME": "5",
    "PLANNING_PAGE": "5",
    "CLAIM_PAGE": "5",
    "CONNECTIONS": "2",
    "FORM_MINIMUM_TIME": "0",
}


@dataclass
class Ended:
    """How a process ended, and what it said."""

    code: int
    output: str
    errors: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def data(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.output)
        return answer


class Process:
    """One `flask newsletter ...` at work, forked by the listening runner."""

    def __init__(self, runner: Path, request: Mapping[str, Any]) -> None:
        self._request = request
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(runner))
        self._line = self._socket.makefile("rw")
        self._line.write(json.dumps(request) + "\n")
        self._line.flush()
        self.pid = int(self._line.readline())

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def is_stopped(self) -> bool:
        """Whether it was stopped by SIGSTOP."""
        return self._condition() == "T"

    def is_alive(self) -> bool:
        """Whether it has not ended by itself."""
        return self._condition() not in ("", "Z", "X")

    def wait(self, seconds: float = 180) -> Ended:
        """Wait for its end; kills it and fails when that takes longer."""
        self._socket.settimeout(seconds)
        try:
            code = int(self._line.readline())
        except TimeoutError:
            self.signal(signal.SIGKILL)
            raise AssertionError(
                f"{self._request['arguments']} took over {seconds} s: {self._said('errors')}"
            ) from None
        finally:
            self._line.close()
            self._socket.close()
        return Ended(code, self._said("output"), self._said("errors"))

    def reached(self) -> Counter[str]:
        """The milestones it reached so far."""
        told = Path(self._request["told"])
        return Counter(told.read_text().splitlines()) if told.exists() else Counter()

    def errors(self) -> str:
        """What it said so far on standard error."""
        return self._said("errors")

    def _condition(self) -> str:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return ""

    def _said(self, which: str) -> str:
        file = Path(self._request[which])
        return file.read_text() if file.exists() else ""


@dataclass
class Stage:
    """Settings and a database; starts processes on them."""

    folder: Path
    runner: Path
    database_url: str
    environment: dict[str, str] = field(default_factory=dict)
    started: int = 0

    def __post_init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NEWSLETTER_", "PORT"))}
        ours = {
            "INSTANCE": str(self.folder / "instance"),
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": "test-secret-key-of-enough-characters",
            "SENDER": "The Magazine <news@magazine.example>",
            "POSTAL_ADDRESS": "1 Example Street, Exampletown",
        }
        self.environment = kept | {f"NEWSLETTER_{name}": value for name, value in (ours | QUICK).items()}

    def set(self, **values: object) -> "Stage":
        """Settings of the processes started from here on."""
        self.environment |= {f"NEWSLETTER_{name.upper()}": str(value) for name, value in values.items()}
        return self

    def post_to(self, port: int) -> "Stage":
        """Mail leaves by the SMTP server at this port of this machine."""
        return self.set(smtp_url=f"smtp://127.0.0.1:{port}?tls=none")

    def start(self, *arguments: str, kill: str = "", stop: str = "", barrier: Path | None = None) -> Process:
        """Start a command; `kill` or `stop` it at a milestone: "intent.after_commit:3".

        With `barrier` it begins when that file exists.
        """
        self.started += 1
        place = self.folder / f"{self.started}"
        return Process(
            self.runner,
            {
                "arguments": arguments,
                "environment": self.environment,
                "kill": kill,
                "stop": stop,
                "barrier": str(barrier or ""),
                "told": f"{place}.told",
                "output": f"{place}.out",
                "errors": f"{place}.err",
            },
        )

    def run(self, *arguments: str, kill: str = "", seconds: float = 180) -> Ended:
        """Run a command to its end."""
        return self.start(*arguments, kill=kill).wait(seconds)

    def flask(self, *arguments: str) -> dict[str, Any]:
        """Run a command that must go well; its JSON answer."""
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, f"{arguments}: {ended.errors}"
        return ended.data

    def process(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """The same as an ordinary process, of which nothing is shared with ours."""
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "newsletter", *arguments],
            cwd=settings.ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "processes.err").open("ab"),
        )

    def deliver(self, *, seconds: float = 180) -> dict[str, Any]:
        """Deliver until nothing is due and nobody holds anything."""
        ended = self.run("deliver", "--until-empty", "--json", seconds=seconds)
        assert ended.code == 0, ended.errors
        return ended.data

    def check(self) -> None:
        """`flask newsletter check` finds nothing broken."""
        ended = self.run("check", "--json")
        assert ended.code == 0, ended.output + ended.errors
        assert ended.data["broken"] == []

    def appears_now(self) -> "Stage":
        """The daily newsletter appears at the minute that has just begun, and has had its calendar for long."""
        at = datetime.now(UTC) - timedelta(seconds=1)
        days = "mon,tue,wed,thu,fri,sat,sun"
        self.flask(
            *("newsletter", "add", "daily", "--title", "The Daily", "--topic", "music"),
            *("--days", days, "--at", f"{at:%H:%M}", "--zone", "UTC"),
        )
        long_ago = at - timedelta(hours=1)
        self.ask("UPDATE newsletter SET calendar_from_at = :at", at=f"{long_ago:%Y-%m-%d %H:%M:%S}")
        return self

    @contextmanager
    def web(self) -> Iterator["Browser"]:
        """The web server on this database, in this process."""
        kept = settings.current()
        names = {name: value for name, value in self.environment.items() if name.startswith("NEWSLETTER_")}
        app = factory.create_app(settings.load(names))
        try:
            yield Browser(app.test_client())
        finally:
            with app.app_context():
                for engine in db.extension.engines.values():
                    engine.dispose()
            settings.use(kept)

    def ask(self, statement: str, **values: Any) -> list[Any]:
        """The rows of a query, or of a change, which is committed."""
        engine = sqlalchemy.create_engine(self.database_url)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement), values)
                return list(result) if result.returns_rows else []
        finally:
            engine.dispose()

    def states(self) -> dict[str, int]:
        """How many messages are in each state."""
        return dict(Counter(row[0] for row in self.ask("SELECT state FROM message")))

    def follow(self, policy: str) -> "Stage":
        """Make the runs there are hold or retry."""
        self.ask("UPDATE run SET policy = :policy", policy=policy)
        return self

    def prepare(self, readers: int, *, state: str) -> "Stage":
        """A newsletter with confirmed readers; its issue not begun, approved or released."""
        self.flask("init")
        self.flask("topic", "add", "music", "Music")
        self.flask("newsletter", "add", "daily", "--title", "The Daily", "--topic", "music")
        self.flask("subscriber", "import", str(sheet(self.folder / "readers.csv", readers)))
        (self.folder / "articles.xml").write_text(_rss("A quiet record", "Two songs"))
        self.flask("article", "import", str(self.folder / "articles.xml"), "--topic", "music")
        # A few pages, however many readers there are.
        self.set(planning_page=max(readers // 3, int(QUICK["PLANNING_PAGE"])))
        if state in ("approved", "released"):
            self.flask("issue", "compose", "daily")
            assert self.flask("issue", "approve", "1")["state"] == "approved"
        if state == "released":
            assert self.flask("issue", "send", "1")["planned"] == readers
        return self


@dataclass
class Browser:
    """A visitor of the public pages."""

    client: FlaskClient

    def __post_init__(self) -> None:
        with time_machine.travel(clock.now() - timedelta(minutes=1)):
            found = re.search(r'name="form" value="([^"]+)"', self.client.get("/subscribe").text)
        assert found
        self._form = found[1]

    def sign_up(self, number: int) -> TestResponse:
        """Press Subscribe as new<number>@readers.example, each from a network of their own."""
        fields = {
            "email": f"new{number}@readers.example",
            "newsletters": "daily",
            "topics": "music",
            "terms": "yes",
            "form": self._form,
        }
        network = {"REMOTE_ADDR": f"10.{number % 250}.{number // 250}.1"}
        return self.client.post("/subscribe", data=fields, environ_base=network)


@contextmanager
def copy_of(original: Stage, folder: Path) -> Iterator[Stage]:
    """The same installation again, for one test to break."""
    folder.mkdir(parents=True, exist_ok=True)
    url = original.database_url
    if url.startswith("sqlite"):
        shutil.copy(url.removeprefix("sqlite:///"), folder / "newsletter.db")
        copied = f"sqlite:///{folder}/newsletter.db"
    else:
        copied = _create_database(url, like=sqlalchemy.make_url(url).database or "")
    try:
        yield Stage(folder, original.runner, copied)
    finally:
        if not url.startswith("sqlite"):
            _drop_database(copied)


def addresses(readers: int) -> set[str]:
    """Who the prepared issue goes to."""
    return {f"reader{number}@readers.example" for number in range(1, readers + 1)}


def sheet(file: Path, readers: int) -> Path:
    """A CSV file of readers who confirmed long ago."""
    lines = [
        f"{each},daily,music,confirmed,2026-01-05T10:00:00+01:00,old system" for each in sorted(addresses(readers))
    ]
    file.write_text("\n".join(["email,newsletters,topics,status,consent_at,consent_source", *lines]) + "\n")
    return file


def until(happened: Callable[[], Any], *, seconds: float, what: str, every: float = 0.01) -> Any:
    """What `happened` answers once it is true; fails naming what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := happened():
            return found
        time.sleep(every)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def _rss(*headlines: str) -> str:
    now = format_datetime(datetime.now(UTC) - timedelta(minutes=1))
    items = "".join(
        f"<item><title>{headline}</title><link>https://magazine.example/{number}</link><guid>{number}</guid>"
        f"<description>What {headline} means.</description><pubDate>{now}</pubDate></item>"
        for number, headline in enumerate(headlines)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Wire</title>{items}</channel></rss>'
