"""Everything at once for a long time: issues, refusals, sign-ups, confirmations and one-click unsubscribes.

    python -m benchmarks.soak [--minutes 10] [--readers 3000] [--every 60]

On SQLite and on PostgreSQL a whole installation runs by `python app.py`, with a receiver that refuses, defers, drops
and loses replies. New stories come and an issue goes out every --every seconds. At the end: whether memory stayed
flat, `flask newsletter check`, what the logs say, what the receiver got twice, and how long web answers took.
SIGTERM ends it early, with the same summary; results/soak.json is brought up to date every half minute.
"""

import argparse
import contextlib
import functools
import itertools
import json
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from benchmarks import browser, ledger, magazine, processes, report, site, stores, wire
from newsletter import settings
from newsletter.audience import reader_links, signup
from newsletter.audience.reader_links import ReaderLink
from newsletter.cli import stopping
from newsletter.demo import magazine as sample

# What the receiver does to some readers, by their number: never so many that a breaker must stop the issue.
_RULES = [
    {"phase": "rcpt", "do": "450 4.2.1 Try again later", "match": r"reader\d*[37]5@"},
    {"phase": "rcpt", "do": "550 5.1.1 No such mailbox", "match": r"reader\d*250@"},
    {"phase": "dot", "do": "451 4.3.0 Try again later", "match": r"reader\d*61@"},
    {"phase": "dot", "do": "accept+drop", "match": r"reader\d*500@"},
    {"phase": "data", "do": "drop", "match": r"reader\d*750@"},
]
_VARIABLES = {"NEWSLETTER_RETRY_FIRST": "20", "NEWSLETTER_RETRY_MOST": "60", "NEWSLETTER_ISSUE_EXPIRY": "300"}
_VISITORS = 2
_PAUSE = 0.4  # seconds between two requests of one visitor
_SHOWN = 30  # lines of trouble printed at the end
_SAMPLE = 5.0  # seconds between two looks at memory
_KEEP = 30.0  # seconds between two writings of the results
_CHECK = 120.0
_DRAIN = 90.0  # seconds for what was deferred to leave at the end
_TROUBLE = re.compile(r"database is locked|Traceback|\"level\": \"error\"|\[ERROR\]")


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--readers", type=int, default=3000)
    parser.add_argument("--every", type=float, default=60.0, help="seconds from one issue to the next")
    parser.add_argument("--engine", choices=stores.ENGINES, action="append")
    parser.add_argument("--name", default="soak", help="of the file under results/")
    chosen = parser.parse_args()
    over = stopping.signalled()
    settings.use(settings.load(processes.variables("sqlite:///unused")))
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(stores.all_opened(tuple(chosen.engine or stores.ENGINES)))
        houses = [stack.enter_context(_house(store, chosen)) for store in opened]
        said = report.Report(
            chosen.name,
            f"{chosen.minutes:g} minutes of everything, {chosen.readers:,} readers, an issue each {chosen.every:g} s",
            minutes=chosen.minutes,
            readers=chosen.readers,
            every=chosen.every,
        )
        _live(said, houses, chosen, over)
        for house in houses:
            house.over.set()
        for house in houses:
            house.finish()
            house.show_trouble()
        said.table("soak", _rows(houses))
        said.table("memory, MB (RSS)", memory_rows(said.tables["series"]))
        print(f"\n{said.write()}")
        sys.exit(0 if all(house.is_clean for house in houses) else 1)


def _live(said: report.Report, houses: list["_House"], chosen: argparse.Namespace, over: threading.Event) -> None:
    deadline, kept_at = time.monotonic() + chosen.minutes * 60, time.monotonic()
    for house in houses:
        house.begin()
    while time.monotonic() < deadline and not over.wait(1.0):
        if time.monotonic() - kept_at > _KEEP:
            kept_at = time.monotonic()
            series: list[report.Row] = [row for house in houses for row in house.series]
            said.tables = {"soak": _rows(houses), "memory, MB (RSS)": memory_rows(series), "series": series}
            said.write()
            said.note("; ".join(house.line() for house in houses))
    said.tables = {"series": [row for house in houses for row in house.series]}


def memory_rows(series: Sequence[report.Row]) -> list[report.Row]:
    """Each process early (after a fifth of the time) and late: what grows does not stay flat."""
    rows: list[report.Row] = []
    for engine in dict.fromkeys(each["engine"] for each in series):
        theirs = [each for each in series if each["engine"] == engine]
        fifth = max(1, len(theirs) // 5)
        for name in (name for name in theirs[-1] if name not in ("engine", "seconds")):
            early = [each[name] for each in theirs[fifth : 2 * fifth] if name in each] or [0.0]
            late = [each[name] for each in theirs[-fifth:] if name in each] or [0.0]
            first, last = report.median(early), report.median(late)
            rows.append({"engine": engine, "process": name, "early": first, "late": last, "growth": last - first})
    return rows


def _rows(houses: list["_House"]) -> list[report.Row]:
    """The summary, a column an engine."""
    columns = {house.engine: house.figures() for house in houses}
    names = next(iter(columns.values()))
    return [{"": name, **{engine: found[name] for engine, found in columns.items()}} for name in names]


@dataclass
class _House:
    """One engine's installation, with everybody who uses it."""

    engine: str
    url: str
    site: site.Site
    folder: Path
    every: float
    readers: int
    over: threading.Event = field(default_factory=threading.Event)
    sending: browser.Answers = field(default_factory=browser.Answers)
    quiet: browser.Answers = field(default_factory=browser.Answers)
    counts: Counter[str] = field(default_factory=Counter)
    series: list[dict[str, Any]] = field(default_factory=list)
    broken: list[Any] = field(default_factory=list)
    is_sending: bool = False
    began: float = 0.0
    minutes: float = 0.0
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        self.began = time.monotonic()
        visits = [functools.partial(self._visit, place) for place in range(_VISITORS)]
        for act in (self._edit, self._watch, *visits):
            thread = threading.Thread(target=self._guarded, args=(act,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def finish(self) -> None:
        """Let what is deferred leave, then judge."""
        self.minutes = (time.monotonic() - self.began) / 60
        for thread in self.threads:
            thread.join()
        deadline = time.monotonic() + _DRAIN
        while time.monotonic() < deadline and ledger.scalar(self.url, _OPEN):
            time.sleep(1.0)
        self._check()

    @property
    def is_clean(self) -> bool:
        figures = self.figures()
        return not (self.broken or figures["trouble in the logs"] or figures["issue copies"] or self.counts["faults"])

    def line(self) -> str:
        answers = self.sending.all()
        slow = 1000 * report.percentile(answers, 0.95) if answers else 0.0
        return f"{self.engine}: {self.counts['issues']} issues, 95th percentile {slow:.0f} ms, {self._held()}"

    def figures(self) -> dict[str, Any]:
        """What the summary says."""
        states = {state: ledger.count(self.url, state) for state in ("sent", "bounced", "uncertain", "expired")}
        log, copies = self.site.log.read_text(errors="replace"), self._copies()
        return {
            "minutes": round(self.minutes or (time.monotonic() - self.began) / 60, 1),
            "issues": self.counts["issues"],
            "messages sent": states["sent"],
            "bounced": states["bounced"],
            "uncertain": states["uncertain"],
            "expired": states["expired"],
            "pauses by a breaker": self.counts["pauses"],
            "sign-ups": self._asked("sign-up"),
            "confirmations": self._asked("confirmation"),
            "one-click unsubscribes": self._asked("one-click"),
            "failed requests": self._failures() or "none",
            "answers while sending, median ms": _milliseconds(self.sending, 0.5),
            "answers while sending, 95th percentile ms": _milliseconds(self.sending, 0.95),
            "answers otherwise, 95th percentile ms": _milliseconds(self.quiet, 0.95),
            "checks": self.counts["checks"],
            "rules broken": len(self.broken),
            "database is locked": log.count("database is locked"),
            "trouble in the logs": len(_TROUBLE.findall(log)),
            "issue copies": copies["issue"],
            "confirmation copies (retry)": copies["confirmation"],
            "faults of the soak itself": self.counts["faults"],
        }

    def show_trouble(self) -> None:
        """Print the lines of the log that are trouble, to find their cause: the log goes with the site."""
        lines = [line for line in self.site.log.read_text(errors="replace").splitlines() if _TROUBLE.search(line)]
        for line in lines[:_SHOWN]:
            print(f"  {self.engine}: {line[:500]}", flush=True)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (Exception, SystemExit) as error:
            if not self.over.is_set():
                self.counts["faults"] += 1
                print(f"  {self.engine}: {type(error).__name__}: {str(error)[-800:]}", flush=True)

    # The editor

    def _edit(self) -> None:
        for number in itertools.count(1):
            began = time.monotonic()
            self._guarded(functools.partial(self._issue, number))
            self.over.wait(max(1.0, self.every - (time.monotonic() - began)))
            if self.over.is_set():
                return

    def _issue(self, number: int) -> None:
        feed = self.folder / "stories.json"
        feed.write_text(json.dumps(_stories(number)))
        topics = [part for slug in sample.magazine().topics for part in ("--topic", slug)]
        self.site.flask("article", "import", str(feed), *topics)
        issue = str(self.site.flask("issue", "compose", magazine.SLUG)["issue"])
        self.site.flask("issue", "approve", issue)
        self.site.flask("issue", "send", issue)
        self.counts["issues"] += 1

    # The visitors

    def _visit(self, place: int) -> None:
        visitor = browser.Visitor(self.site.port, lambda: self.sending if self.is_sending else self.quiet)
        chance, token = random.Random(place), visitor.form_token()
        for number in itertools.count():
            if self.over.wait(_PAUSE):
                return
            match number % 5:
                case 0 | 2:
                    visitor.sign_up(f"visitor{place}-{number}@new.example", token, magazine.SLUG)
                case 1:
                    for request_id in self._unconfirmed():
                        visitor.confirm(signup.token(SimpleNamespace(id=request_id)))  # type: ignore[arg-type]
                case 3:
                    visitor.look("/subscribe" if number % 2 else "/")
                case _ if number % 10 == 4:
                    visitor.leave(reader_links.token(ReaderLink(chance.randint(1, self.readers), 1)))

    def _unconfirmed(self) -> list[int]:
        found = ledger.scalar(self.url, "SELECT max(id) FROM signup_request WHERE used_at IS NULL")
        return [int(found)] if found else []

    # The watch

    def _watch(self) -> None:
        sampled_at, checked_at = 0.0, time.monotonic()
        while not self.over.wait(1.0):
            now = time.monotonic()
            self.is_sending = bool(ledger.scalar(self.url, _RUNNING))
            if now - sampled_at >= _SAMPLE:
                sampled_at = now
                self.series.append({"engine": self.engine, "seconds": round(now - self.began), **self.site.memory()})
            if now - checked_at >= _CHECK:
                checked_at = now
                self._guarded(self._check)
                self._guarded(self._resume)

    def _check(self) -> None:
        self.broken += self.site.flask("check")["broken"]
        self.counts["checks"] += 1

    def _resume(self) -> None:
        """What a breaker paused goes on, as an editor would have it, and is counted."""
        issue = ledger.scalar(self.url, "SELECT max(ref) FROM run WHERE kind = 'issue' AND state = 'paused'")
        if issue:
            reason = ledger.scalar(self.url, "SELECT max(paused_reason) FROM run WHERE state = 'paused'")
            self.counts["pauses"] += 1
            print(f"  {self.engine}: issue {issue} was paused: {reason}", flush=True)
            self.site.flask("issue", "resume", str(issue))

    def _copies(self) -> Counter[str]:
        """How many messages the receiver accepted more than once, by their kind."""
        accepted: Counter[tuple[str, str]] = Counter()
        with contextlib.suppress(FileNotFoundError), (self.folder / "accepted.jsonl").open() as lines:
            for line in lines:
                with contextlib.suppress(json.JSONDecodeError):  # the last line may be half written
                    told = json.loads(line)
                    accepted[told["rcpt"], told["mid"]] += 1
        copies: Counter[str] = Counter()
        for (recipient, _), count in accepted.items():
            # Visitors get the daily issues as well once they confirmed; their first mail is the confirmation.
            copies["confirmation" if recipient.endswith("@new.example") else "issue"] += count - 1
        return copies

    def _failures(self) -> str:
        failures = Counter(self.sending.failures) + Counter(self.quiet.failures)
        return ", ".join(f"{count} {name}" for name, count in failures.items())

    def _asked(self, name: str) -> int:
        return sum(len(answers.seconds.get(name, ())) for answers in (self.sending, self.quiet))

    def _held(self) -> str:
        last = self.series[-1] if self.series else {}
        held = (f"{name} {value:.0f} MB" for name, value in last.items() if name in ("web server", "delivery worker"))
        return ", ".join(held)


_OPEN = "SELECT count(*) FROM message WHERE state IN ('queued', 'claimed', 'sending', 'deferred')"
_RUNNING = "SELECT count(*) FROM run WHERE kind = 'issue' AND state = 'running'"


@contextlib.contextmanager
def _house(store: stores.Store, chosen: argparse.Namespace) -> Iterator[_House]:
    template = magazine.loaded(store, chosen.readers)
    with TemporaryDirectory() as name, store.copy(template, magazine.is_built) as url:
        folder = Path(name)
        (folder / "rules.json").write_text(json.dumps(_RULES))
        receiver = ["--rules", str(folder / "rules.json"), "--ledger", str(folder / "accepted.jsonl")]
        with (
            wire.running([sys.executable, "-m", "tests.outbox.smtp_server", *receiver]) as port,
            site.site(url, port, folder / "app.log", **_VARIABLES) as running,
        ):
            house = _House(store.engine, url, running, folder, chosen.every, chosen.readers)
            try:
                yield house
            finally:
                house.over.set()


def _stories(number: int) -> dict[str, Any]:
    """A JSON Feed of three stories nobody has had."""
    chosen = [sample.stories()[(3 * number + place) % len(sample.stories())] for place in range(3)]
    items = [
        {
            "id": f"{number}-{place}",
            "url": f"https://magazine.example/soak/{number}-{place}",
            "title": f"{story.headline} ({number})",
            "summary": story.dek,
            "content_html": story.body_html,
            "date_published": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        for place, story in enumerate(chosen)
    ]
    return {"version": "https://jsonfeed.org/version/1.1", "title": "Soak", "items": items}


def _milliseconds(answers: browser.Answers, share: float) -> float:
    found = answers.all()
    return round(1000 * report.percentile(found, share), 1) if found else 0.0


if __name__ == "__main__":
    main()
