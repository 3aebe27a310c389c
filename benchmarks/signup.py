"""Sign-ups while an issue is sent, and without: how long an answer takes, and how many there are a second.

    python -m benchmarks.signup [--readers 100000] [--seconds 6] [--rounds 2]

`python app.py` serves the form, plans and sends. Paced visitors show what a reader waits, a crowd without pauses what
the server takes. Quiet and sending alternate by pausing and resuming the issue.
"""

import argparse
import itertools
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import browser, ledger, magazine, report, site, stores, wire
from benchmarks.stores import Store

_PACED = 4  # visitors, each with a pause between two sign-ups
_PAUSE = 0.1
_CROWD = 8


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--engine", choices=stores.ENGINES, action="append")
    chosen = parser.parse_args()
    with stores.all_opened(tuple(chosen.engine or stores.ENGINES)) as opened, wire.sink() as port:
        said = report.Report("signup", f"Sign-ups while an issue goes to {chosen.readers:,} readers, and without")
        said.table("sign-ups", [row for store in opened for row in _measured(said, store, chosen, port)])
        print(f"\n{said.write()}")


def _measured(said: report.Report, store: Store, chosen: argparse.Namespace, port: int) -> list[dict[str, Any]]:
    template = magazine.loaded(store, chosen.readers)
    paced: dict[str, list[float]] = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    failed = 0
    more = {"NEWSLETTER_CONNECTIONS": "8"}
    with (
        store.copy(template, magazine.is_built) as url,
        TemporaryDirectory() as folder,
        site.site(url, port, Path(folder) / "app.log", **more) as running,
    ):
        numbers = itertools.count()
        for number in range(chosen.rounds):
            for state in ("quiet", "sending"):
                _bring_to(running, state, is_first=number == 0)
                sent, began = ledger.count(url, "sent"), time.monotonic()
                answers = _visit(running, numbers, chosen.seconds, visitors=_PACED, pause=_PAUSE)
                crowd = _visit(running, numbers, chosen.seconds, visitors=_CROWD, pause=0.0)
                gone = (ledger.count(url, "sent") - sent) / (time.monotonic() - began)
                paced[state] += answers.all()
                rates[state].append(len(crowd.all()) / chosen.seconds)
                failed += answers.failed() + crowd.failed()
                said.note(f"{store.engine}, {state}: {rates[state][-1]:.0f} sign-ups/s, {gone:,.0f} messages/s")
    return [
        {
            "engine": store.engine,
            "while": state,
            "median ms": 1000 * report.median(paced[state]),
            "95th percentile ms": 1000 * report.percentile(paced[state], 0.95),
            "longest ms": 1000 * max(paced[state]),
            "sign-ups/s": report.median(rates[state]),
            "ratio": report.median(rates[state]) / report.median(rates["quiet"]),
            "failed": failed,
        }
        for state in ("quiet", "sending")
    ]


def _bring_to(running: site.Site, state: str, *, is_first: bool) -> None:
    if state == "sending":
        running.flask("issue", "send" if is_first else "resume", "1")
    elif not is_first:
        running.flask("issue", "pause", "1")


def _visit(
    running: site.Site, numbers: "itertools.count[int]", seconds: float, *, visitors: int, pause: float
) -> browser.Answers:
    answers = browser.Answers()
    crowd = [browser.Visitor(running.port, lambda: answers) for _ in range(visitors)]
    token = crowd[0].form_token()

    def act(place: int) -> None:
        crowd[place].sign_up(f"visitor{next(numbers)}@new.example", token, magazine.SLUG)

    browser.crowd(visitors, act, seconds=seconds, pause=pause)
    return answers


if __name__ == "__main__":
    main()
