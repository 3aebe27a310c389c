"""How a benchmark says what it found: a table for people, JSON beside it for the chart."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine

RESULTS = Path(__file__).resolve().parent / "results"

Row = Mapping[str, Any]


class Report:
    """One benchmark's findings, printed as they come and written at the end."""

    def __init__(self, name: str, title: str, **parameters: Any) -> None:
        self.name, self.title, self.parameters = name, title, parameters
        self.machine = machine.description()
        self.began_at = datetime.now(UTC)
        self.tables: dict[str, list[Row]] = {}
        print(f"{title}\n{machine.line(self.machine)}\n", flush=True)

    def note(self, sentence: str) -> None:
        """Say how far it is."""
        print(f"  {sentence}", flush=True)

    def table(self, name: str, rows: Sequence[Row]) -> None:
        """Print a table and keep it."""
        self.tables[name] = list(rows)
        print(f"\n{name}\n{drawn(rows)}", flush=True)

    def write(self) -> Path:
        """Keep everything in results/<name>.json."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        written = {
            "benchmark": self.name,
            "title": self.title,
            "began_at": self.began_at.isoformat(timespec="seconds"),
            "machine": {**self.machine, "load_at_end": machine.load()},
            "parameters": self.parameters,
            "tables": self.tables,
        }
        path.write_text(_lines(written) + "\n")
        return path


def _lines(written: Mapping[str, Any]) -> str:
    """JSON with a line a row, so that a change of a result can be read."""
    tables = (
        f"  {json.dumps(name)}: [\n" + ",\n".join(f"   {json.dumps(row)}" for row in rows) + "\n  ]"
        for name, rows in written["tables"].items()
    )
    head = (f" {json.dumps(name)}: {json.dumps(value)}" for name, value in written.items() if name != "tables")
    return "{\n" + ",\n".join(head) + ',\n "tables": {\n' + ",\n".join(tables) + "\n }\n}"


def drawn(rows: Sequence[Row]) -> str:
    """Rows as an aligned table, their keys as the head."""
    if not rows:
        return "(nothing)"
    head = list(rows[0])
    cells = [head, *([shown(row.get(name)) for name in head] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(head))]
    lines = ["  ".join(_aligned(line[i], widths[i], is_first=i == 0) for i in range(len(head))) for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def shown(value: object) -> str:
    """A figure as people write it: three digits that count, thousands apart."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all stay below (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _aligned(text: str, width: int, *, is_first: bool) -> str:
    return text.ljust(width) if is_first else text.rjust(width)
