"""Personal digests as fast as the wire takes them, beside Postfix's own load generator into the same receiver.

    python -m benchmarks.throughput [--messages 100000] [--rounds 3] [--connections 8]

Each round sends the same number of messages of the same mean size by `smtp-source` over kept connections and by
`flask newsletter deliver --until-empty` from SQLite (synchronous=FULL) and from PostgreSQL (synchronous_commit=on),
with the ledger, the hold policy and the suppression check of any issue. The rounds alternate what goes first.
"""

import argparse
from collections import defaultdict
from typing import Any

from benchmarks import ledger, magazine, processes, report, stores, wire
from benchmarks.stores import Store

BASELINE = "smtp-source"


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--engine", choices=stores.ENGINES, action="append")
    parser.add_argument("--name", default="throughput", help="of the file under results/")
    chosen = parser.parse_args()
    engines = tuple(chosen.engine or stores.ENGINES)
    with stores.all_opened(engines) as opened, wire.receiver() as receiver:
        length = _prepare(opened, chosen.messages)
        said = report.Report(
            chosen.name,
            f"{chosen.messages:,} personal digests of {length:,} bytes, {chosen.connections} connections",
            messages=chosen.messages,
            bytes=length,
            connections=chosen.connections,
        )
        runs = defaultdict(list)
        for number in range(chosen.rounds):
            # What goes first changes, so that a busy or a calm minute is nobody's advantage.
            turns = [None, *opened][number % (len(opened) + 1) :] + [None, *opened][: number % (len(opened) + 1)]
            for store in turns:
                name = store.engine if store else BASELINE
                before = processes.used(receiver.pid)
                found = _ours(store, chosen, receiver.port) if store else _baseline(chosen, length, receiver.port)
                taken = processes.used(receiver.pid) - before
                runs[name].append(found | {"receiver ms/message": 1000 * taken / chosen.messages})
                said.note(f"round {number + 1}  {name:<12} {found['messages/s']:>8,.0f}/s")
        said.table("throughput", _rows(runs))
        said.table("rounds", _rounds(runs))
        print(f"\n{said.write()}")


def _prepare(opened: list[Store], messages: int) -> int:
    """Build the templates; the mean size of a digest."""
    for store in opened:
        magazine.released(store, messages)
    with opened[0].copy(magazine.released(opened[0], messages), magazine.is_built) as url:
        return magazine.mean_size(url)


def _baseline(chosen: argparse.Namespace, length: int, port: int) -> dict[str, float]:
    seconds, processor = wire.source(port, messages=chosen.messages, length=length, connections=chosen.connections)
    return {
        "messages/s": chosen.messages / seconds,
        "CPU ms/message": 1000 * processor / chosen.messages,
        "server ms/message": 0.0,
        "peak RSS MB": 0.0,
        "whole s": seconds,
    }


def _ours(store: Store, chosen: argparse.Namespace, port: int) -> dict[str, float]:
    with store.copy(magazine.released(store, chosen.messages), magazine.is_built) as url:
        before = store.processor_seconds()
        variables = processes.variables(url, port, NEWSLETTER_CONNECTIONS=str(chosen.connections))
        cost = processes.flask("deliver", "--until-empty", variables=variables)
        used, sent = store.processor_seconds() - before, ledger.sent(url)
    return {
        "messages/s": sent.rate,
        "CPU ms/message": 1000 * cost.processor_seconds / sent.messages,
        "server ms/message": 1000 * used / sent.messages,
        "peak RSS MB": cost.peak_mb,
        "whole s": cost.seconds,
    }


def _rows(runs: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    names = [BASELINE, *(name for name in runs if name != BASELINE)]
    middle = {name: {key: report.median(run[key] for run in runs[name]) for key in runs[name][0]} for name in names}
    return [
        {"sender": name, "ratio": middle[name]["messages/s"] / middle[BASELINE]["messages/s"], **middle[name]}
        for name in names
    ]


def _rounds(runs: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """The ratio inside each round."""
    engines = [name for name in runs if name != BASELINE]
    return [
        {"round": number + 1} | {name: runs[name][number]["messages/s"] / base["messages/s"] for name in engines}
        for number, base in enumerate(runs[BASELINE])
    ]


if __name__ == "__main__":
    main()
