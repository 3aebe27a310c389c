"""The chart of docs/performance.md, drawn from the measured results.

    python -m benchmarks.chart

Reads results/throughput.json, naive.json and connections.json; writes docs/performance.svg, readable light and dark.
"""

import json
from html import escape
from typing import Any

from benchmarks import report
from newsletter import settings

TARGET = settings.ROOT / "docs" / "performance.svg"
_LATE = "replies 20 ms late"
_WIDTH, _ROW, _LEFT, _RIGHT = 760, 30, 270, 120
_TOP = 64
_PLOT_TOP, _PLOT_HEIGHT = 70, 170

_STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1c1c1c }
.title { font-weight: 600; font-size: 16px }
.soft { fill: #5c5c5c; font-size: 12.5px }
.ours { fill: #b3261e; stroke: #b3261e }
.other { fill: #7d8590; stroke: #7d8590 }
.line { fill: none; stroke-width: 2.5 }
.mark { stroke: none }
.grid { stroke: #d9d9d9 }
@media (prefers-color-scheme: dark) {
  text { fill: #ececec }
  .soft { fill: #a9a9a9 }
  .ours { fill: #ff8a80; stroke: #ff8a80 }
  .other { fill: #8b949e; stroke: #8b949e }
  .grid { stroke: #3c3c3c }
}
"""


def main() -> None:
    """Draw it."""
    bars = _bars(_table("throughput", "throughput"), _table("naive", "naive"))
    lines = _table("connections", _LATE)
    TARGET.write_text(_drawn(bars, lines))
    print(TARGET)


def _table(name: str, table: str) -> list[dict[str, Any]]:
    path = report.RESULTS / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"Measure first: python -m benchmarks.{name}")
    found: list[dict[str, Any]] = json.loads(path.read_text())["tables"][table]
    return found


def _bars(throughput: list[dict[str, Any]], naive: list[dict[str, Any]]) -> list[tuple[str, float, bool]]:
    """(sender, its rate against smtp-source of the same run, whether it is ours)"""
    names = {"sqlite": "Newsletter, SQLite", "postgresql": "Newsletter, PostgreSQL", "smtp-source": "smtp-source (C)"}
    bars = [(names[row["sender"]], row["ratio"], row["sender"] != "smtp-source") for row in throughput]
    return bars + [(row["sender"], row["ratio"], False) for row in naive if row["sender"].startswith("smtplib")]


def _drawn(bars: list[tuple[str, float, bool]], lines: list[dict[str, Any]]) -> str:
    upper, lower = _drawn_bars(bars), _drawn_lines(lines)
    middle = _TOP + len(bars) * _ROW + 40
    height = middle + _PLOT_TOP + _PLOT_HEIGHT + 50
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        ' aria-label="Messages a second beside other senders, and by number of connections">\n'
        f"<style>{_STYLE}</style>\n{upper}\n"
        f'<g transform="translate(0 {middle})">\n{lower}\n</g>\n</svg>\n'
    )


def _drawn_bars(bars: list[tuple[str, float, bool]]) -> str:
    parts = [
        _text(16, 28, "Personal digests of 40 KB into one smtp-sink", "title"),
        _text(16, 48, "times the rate of Postfix’s own load generator, each in one interleaved run", "soft"),
    ]
    scale = (_WIDTH - _LEFT - _RIGHT) / max(ratio for _, ratio, _ in bars)
    for place, (name, ratio, is_ours) in enumerate(bars):
        top = _TOP + place * _ROW
        kind = "ours" if is_ours else "other"
        width = max(1.5, ratio * scale)
        parts.append(_text(_LEFT - 10, top + 18, name, anchor="end"))
        parts.append(f'<rect class="{kind} mark" x="{_LEFT}" y="{top + 3}" width="{width:.1f}" height="20" rx="3"/>')
        parts.append(_text(_LEFT + width + 8, top + 18, f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"))
    return "\n".join(parts)


def _drawn_lines(rows: list[dict[str, Any]]) -> str:
    most = max(max(row["ours/s"], row["smtp-source/s"]) for row in rows)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(rows) - 1)
    bottom = _PLOT_TOP + _PLOT_HEIGHT
    parts = [
        _text(16, 28, "A mail server that answers 20 ms late", "title"),
        _text(16, 48, "messages a second, by the number of connections", "soft"),
    ]
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * _PLOT_HEIGHT
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(_LEFT - 10, y + 5, f"{share * most:,.0f}", "soft", anchor="end"))
    for place, row in enumerate(rows):
        parts.append(_text(_LEFT + place * step, bottom + 22, str(row["connections"]), "soft", anchor="middle"))
    for column, name, kind in (("smtp-source/s", "smtp-source", "other"), ("ours/s", "Newsletter", "ours")):
        points = [(_LEFT + place * step, bottom - row[column] / most * _PLOT_HEIGHT) for place, row in enumerate(rows)]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="{kind} line" style="fill:none" points="{drawn}"/>')
        parts += [f'<circle class="{kind} mark" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points]
        parts.append(_text(points[-1][0] + 12, points[-1][1] + 5, name))
    return "\n".join(parts)


def _text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


if __name__ == "__main__":
    main()
