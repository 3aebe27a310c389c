"""A million readers: planning, the locks it takes, the time to the first message, claims, and memory.

    python -m benchmarks.planning [--readers 1000000] [--sent 50000]

A delivery worker waits while `flask newsletter issue send` plans the issue into editions and messages and releases it.
A bystander writes a row every few milliseconds, as a sign-up would, and keeps how long it had to wait. The worker then
sends --sent messages and is stopped. Claims are timed with nothing, half and nine tenths of the issue sent.
"""

import argparse
import threading
import time
from typing import Any

from sqlalchemy import Engine, text

from benchmarks import ledger, magazine, processes, report, stores, wire
from benchmarks.stores import Store
from newsletter import db, settings
from newsletter.outbox import ledger as outbox_ledger
from newsletter.outbox import workers

_PAUSE = 0.005
_PAGES = 100


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--sent", type=int, default=50_000, help="messages sent before the worker is stopped")
    parser.add_argument("--engine", choices=stores.ENGINES, action="append")
    parser.add_argument("--name", default="planning", help="of the file under results/")
    chosen = parser.parse_args()
    with stores.all_opened(tuple(chosen.engine or stores.ENGINES)) as opened, wire.sink() as port:
        said = report.Report(chosen.name, f"{chosen.readers:,} confirmed readers", readers=chosen.readers)
        for store in opened:
            magazine.loaded(store, chosen.readers)
        planned = [_plan(said, store, chosen, port) for store in opened]
        said.table("planning and release", planned)
        said.table("claims", [row for store in opened for row in _claims(store, chosen.readers)])
        print(f"\n{said.write()}")


def _plan(said: report.Report, store: Store, chosen: argparse.Namespace, port: int) -> dict[str, Any]:
    with store.copy(magazine.loaded(store, chosen.readers), magazine.is_built) as url:
        variables = processes.variables(url, port, NEWSLETTER_CONNECTIONS="8")
        quiet = _Bystander(url)
        time.sleep(2)
        alone = quiet.end()
        worker, bystander = processes.start_flask("worker", variables=variables), _Bystander(url)
        time.sleep(3)
        before = store.processor_seconds()
        cost = processes.flask("issue", "send", "1", variables=variables)
        waits, used = bystander.end(), store.processor_seconds() - before
        said.note(f"{store.engine}: planned and released in {cost.seconds:.1f} s")
        while ledger.count(url, "sent") < min(chosen.sent, chosen.readers):
            time.sleep(1)
        ended = worker.stop()
        editions = ledger.scalar(url, "SELECT count(*) FROM edition")
        return {
            "engine": store.engine,
            "seconds": cost.seconds,
            "CPU s": cost.processor_seconds,
            "server CPU s": used,
            "editions": editions,
            "release to first message s": ledger.first_message(url),
            "longest wait of a writer ms": 1000 * max(waits),
            "99th percentile ms": 1000 * report.percentile(waits, 0.99),
            "longest without planning ms": 1000 * max(alone),
            "planner RSS MB": cost.peak_mb,
            "worker RSS MB": ended.peak_mb,
        }


def _claims(store: Store, readers: int) -> list[dict[str, Any]]:
    """How fast messages can be claimed, by how much of the issue is done."""
    rows = []
    with store.copy(magazine.released(store, readers), magazine.is_built) as url:
        settings.use(settings.load(processes.variables(url)))
        engine = db.make_engine(url)
        try:
            for done in (0.0, 0.5, 0.9):
                _settle(engine, int(readers * done))
                rows.append({"engine": store.engine, "sent already": f"{done:.0%}", "claims/s": _claim_rate(engine)})
        finally:
            engine.dispose()
    return rows


def _settle(engine: Engine, first: int) -> None:
    """The first so many messages as if they had been sent."""
    lowest = "(SELECT min(id) FROM message)"
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE message SET state = 'sent' WHERE state <> 'sent' AND id < {lowest} + :first"),
            {"first": first},
        )


def _claim_rate(engine: Engine) -> float:
    """Messages claimed a second, a page a transaction, as a worker does; between two pages those are sent, untimed."""
    page, claimed, seconds = settings.current().claim_page, 0, 0.0
    with engine.begin() as connection:
        worker_id = workers.start(connection)
    for _ in range(_PAGES):
        began = time.monotonic()
        with engine.begin() as connection:
            claimed += len(outbox_ledger.claim(connection, worker_id, ["issue"], limit=page).claims)
        seconds += time.monotonic() - began
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE message SET state = 'sent', claimed_by = NULL WHERE claimed_by IS NOT NULL")
            )
    return claimed / seconds


class _Bystander:
    """Writes a row again and again, and keeps how long each commit took."""

    def __init__(self, url: str) -> None:
        settings.use(settings.load(processes.variables(url)))
        self._engine = db.make_engine(url)
        self._over = threading.Event()
        self._waits: list[float] = []
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def end(self) -> list[float]:
        self._over.set()
        self._thread.join()
        self._engine.dispose()
        return self._waits

    def _write(self) -> None:
        while not self._over.wait(_PAUSE):
            began = time.monotonic()
            with self._engine.begin() as connection:
                connection.execute(text("UPDATE topic SET name = name WHERE id = 1"))
            self._waits.append(time.monotonic() - began)


if __name__ == "__main__":
    main()
