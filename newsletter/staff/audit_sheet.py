"""The audit log as a table for spreadsheets (CSV, RFC 4180), in which no cell is a formula."""

import csv
import io
import json
from collections.abc import Iterator

from newsletter.staff import audit

_COLUMNS = ("number", "at", "who", "what", "subject", "before", "after")
# What makes a spreadsheet calculate a cell (OWASP, CSV injection), with the full-width forms some of them take as well.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def lines(search: audit.Search) -> Iterator[str]:
    """The sheet, a line at a time: a header, then every entry that fits the search, newest first; times in UTC."""
    # Without the mark at the beginning some spreadsheets take UTF-8 for their own encoding.
    yield "\ufeff" + _line(_COLUMNS)
    for entry in audit.every(search):
        before, after = (json.dumps(each, ensure_ascii=False) if each else "" for each in (entry.before, entry.after))
        yield _line((str(entry.id), entry.at.isoformat(), entry.actor, entry.action, entry.subject, before, after))


def safe(cell: str) -> str:
    """A cell that is shown as it is written, and never calculated."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _line(cells: tuple[str, ...]) -> str:
    written = io.StringIO()
    # All in quotes: a spreadsheet that splits at semicolons finds no second cell in one of ours.
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow([safe(cell) for cell in cells])
    return written.getvalue()
