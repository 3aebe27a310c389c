"""One, two and four delivery processes on one PostgreSQL.

    python -m benchmarks.workers [--messages 40000] [--delays 0 20] [--rounds 2]

Each process is a `flask newsletter deliver --until-empty` with its own connections, as on so many machines. On one
machine with a fast receiver the cores are the limit; a receiver that answers 20 ms late shows what more workers bring.
"""

import argparse
import contextlib
from collections import defaultdict
from typing import Any

from benchmarks import ledger, magazine, processes, report, stores, wire
from benchmarks.stores import Store

_WORKERS = (1, 2, 4)


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8, help="of each process")
    parser.add_argument("--delays", type=float, nargs="*", default=[0, 20], help="milliseconds before each reply")
    chosen = parser.parse_args()
    with stores.opened("postgresql") as store:
        said = report.Report(
            "workers",
            f"Delivery processes on PostgreSQL; {chosen.messages:,} messages, {chosen.connections} connections each",
            messages=chosen.messages,
            connections=chosen.connections,
        )
        for delay in chosen.delays:
            said.table(f"replies {delay:g} ms late", _table(said, store, chosen, delay / 1000))
        print(f"\n{said.write()}")


def _table(said: report.Report, store: Store, chosen: argparse.Namespace, delay: float) -> list[dict[str, Any]]:
    rates: dict[int, list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(wire.sink())
        if delay:
            port = stack.enter_context(wire.late(port, delay=delay))
        for number in range(chosen.rounds):
            for workers in _WORKERS:
                rates[workers].append(_rate(store, chosen, port, workers))
                said.note(f"{delay * 1000:g} ms, round {number + 1}, {workers} workers: {rates[workers][-1]:,.0f}/s")
    middle = {workers: report.median(found) for workers, found in rates.items()}
    return [
        {"processes": workers, "messages/s": rate, "ratio to one": rate / middle[1]} for workers, rate in middle.items()
    ]


def _rate(store: Store, chosen: argparse.Namespace, port: int, workers: int) -> float:
    with store.copy(magazine.released(store, chosen.messages), magazine.is_built) as url:
        variables = processes.variables(url, port, NEWSLETTER_CONNECTIONS=str(chosen.connections))
        running = [processes.start_flask("deliver", "--until-empty", variables=variables) for _ in range(workers)]
        for each in running:
            each.wait()
        return ledger.sent(url).rate


if __name__ == "__main__":
    main()
