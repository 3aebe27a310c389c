"""Lines of a table for spreadsheets (CSV, RFC 4180), in which no cell is a formula."""

import csv
import io
from collections.abc import Sequence

# Without the mark at the beginning some spreadsheets take UTF-8 for their own encoding.
START = "\ufeff"
# What makes a spreadsheet calculate a cell (OWASP, CSV injection), with the full-width forms some of them take as well.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def line(cells: Sequence[object]) -> str:
    """One line, its end included; nothing is an empty cell, numbers stay numbers."""
    written = io.StringIO()
    # All in quotes: a spreadsheet that splits at semicolons finds no second cell in one of ours.
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow([_cell(cell) for cell in cells])
    return written.getvalue()


def safe(cell: str) -> str:
    """A cell that is shown as it is written, and never calculated."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _cell(cell: object) -> str:
    return "" if cell is None else safe(cell) if isinstance(cell, str) else str(cell)
