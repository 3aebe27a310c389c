"""The measured tables of docs/performance.md, put in from the results.

    python -m benchmarks.document

Between <!-- results: NAME / TABLE --> and <!-- end --> stands that table of results/NAME.json, between
<!-- machine: NAME --> and <!-- end --> what it was measured on.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from benchmarks import machine, report
from newsletter import settings

TARGET = settings.ROOT / "docs" / "performance.md"
_PLACE = re.compile(r"(<!-- (results|machine): ([\w-]+)(?: / ([^>]+?))? -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Fill in what has been measured; what has not keeps what stands there."""
    TARGET.write_text(_PLACE.sub(_filled, TARGET.read_text()))
    print(TARGET)


def _filled(place: "re.Match[str]") -> str:
    opening, kind, name, table, closing = place.groups()
    path = report.RESULTS / f"{name}.json"
    if not path.exists():
        return place.group()
    found = json.loads(path.read_text())
    if kind == "results":
        rows = found["tables"].get(table)
        return f"{opening}\n{markdown(rows)}\n\n{closing}" if rows else place.group()
    measured = found["machine"]
    when = f"{found['began_at'][:16].replace('T', ' ')} UTC, revision {measured['revision']}"
    return f"{opening}{machine.line(measured)}, {measured['load_at_end']} at the end; {when}.\n{closing}"


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table, their keys as the head."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(
        [*lines, *("| " + " | ".join(report.shown(row.get(name)) for name in head) + " |" for row in rows)]
    )


if __name__ == "__main__":
    main()
