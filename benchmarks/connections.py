"""How the number of connections, a receiver that answers late, and TLS change the rate.

    python -m benchmarks.connections [--messages 20000] [--delays 0 1 20] [--rounds 2]

For each reply delay the digests are sent over 1, 4, 8, 16 and 32 connections, by us and by `smtp-source`, into one
smtp-sink behind one and the same proxy that hands each reply over later. `smtp-source` waits for every reply; what we
gain by pipelining grows with the delay. TLS: stunnel in front of smtp-sink, for smtp-source a second one before it.
"""

import argparse
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks import ledger, magazine, processes, report, stores, wire
from benchmarks.stores import Store

_CONNECTIONS = (1, 4, 8, 16, 32)
_PATIENCE = 12.0  # seconds one sending may take: with few connections and late replies fewer messages are sent


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="at most, a sending")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--delays", type=float, nargs="*", default=[0, 1, 20], help="milliseconds before each reply")
    parser.add_argument("--connections", type=int, nargs="*", default=list(_CONNECTIONS))
    parser.add_argument("--engine", choices=stores.ENGINES, default="sqlite")
    chosen = parser.parse_args()
    with stores.opened(chosen.engine) as store:
        said = report.Report("connections", f"Connections, late replies and TLS; {store.engine}", engine=store.engine)
        for delay in chosen.delays:
            said.table(f"replies {delay:g} ms late", _late(said, store, chosen, delay / 1000))
        said.table("TLS, 8 connections", _tls(said, store, chosen))
        print(f"\n{said.write()}")


def _late(said: report.Report, store: Store, chosen: argparse.Namespace, delay: float) -> list[dict[str, Any]]:
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    with _receiver(delay) as port:
        for number in range(chosen.rounds):
            for connections in chosen.connections:
                messages = _bounded(chosen.messages, connections, delay)
                rates["smtp-source", connections].append(_theirs(messages, connections, port))
                rates["ours", connections].append(ours(store, messages, port, connections))
                own, theirs = (rates[name, connections][-1] for name in ("ours", "smtp-source"))
                place = f"{delay * 1000:g} ms, round {number + 1}, {connections:>2} connections"
                said.note(f"{place}: {own:,.0f}/s, smtp-source {theirs:,.0f}/s")
    rows = []
    for connections in chosen.connections:
        own, theirs = (report.median(rates[name, connections]) for name in ("ours", "smtp-source"))
        rows.append({"connections": connections, "ours/s": own, "smtp-source/s": theirs, "ratio": own / theirs})
    return rows


def _tls(said: report.Report, store: Store, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    rates: dict[str, list[float]] = defaultdict(list)
    with wire.sink() as plain, wire.secured(plain) as secured, wire.unsecured(secured) as unsecured:
        for _ in range(chosen.rounds):
            rates["ours, plain"].append(ours(store, chosen.messages, plain, 8))
            rates["ours, TLS"].append(ours(store, chosen.messages, secured, 8, tls=True))
            rates["smtp-source, plain"].append(_theirs(chosen.messages, 8, plain))
            rates["smtp-source, TLS by stunnel"].append(_theirs(chosen.messages, 8, unsecured))
            said.note("TLS: " + ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items()))
    base = report.median(rates["smtp-source, plain"])
    return [
        {"sender": name, "messages/s": report.median(found), "ratio": report.median(found) / base}
        for name, found in rates.items()
    ]


def ours(store: Store, messages: int, port: int, connections: int, *, tls: bool = False) -> float:
    """Send an issue to this many readers: messages a second."""
    with store.copy(magazine.released(store, messages), magazine.is_built) as url:
        variables = processes.variables(url, port, NEWSLETTER_CONNECTIONS=str(connections))
        if tls:
            variables |= {"NEWSLETTER_SMTP_URL": f"smtps://localhost:{port}", "SSL_CERT_FILE": str(wire.CERTIFICATE)}
        processes.flask("deliver", "--until-empty", variables=variables)
        return ledger.sent(url).rate


def _theirs(messages: int, connections: int, port: int) -> float:
    seconds, _ = wire.source(port, messages=messages, length=41_000, connections=connections)
    return messages / seconds


@contextlib.contextmanager
def _receiver(delay: float) -> Iterator[int]:
    with wire.sink() as port:
        if delay:
            with wire.late(port, delay=delay) as own:
                yield own
        else:
            yield port


def _bounded(most: int, connections: int, delay: float) -> int:
    """As many messages as smtp-source, with four replies a message, sends in the time we give it."""
    if not delay:
        return most
    return min(most, max(500, int(_PATIENCE * connections / (4 * delay)) // 500 * 500))


if __name__ == "__main__":
    main()
