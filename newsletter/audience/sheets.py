"""Reading the rows of a CSV file as spreadsheets write it, without ever holding the whole file."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from newsletter import errors

_PIECE = 1 << 20


@dataclass(frozen=True)
class Row:
    """One row: the line it begins on, its cells by column, and why it cannot be used, if so."""

    line: int
    cells: dict[str, str]
    problem: str = ""


def read(stream: BinaryIO, *, columns: Sequence[str], required: str) -> Iterator[Row]:
    """The rows of a seekable file in UTF-8, UTF-16 or Windows-1252, separated by `,`, `;` or tab.

    The first line names the columns, in any order and case. Raises BadInput when it names others, or not `required`.
    """
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
    line = 1
    try:
        header = text.readline(_PIECE)
        text.seek(0)
        reader = csv.reader(text, delimiter=max(",;\t", key=header.count))
        names = _names(next(reader, []), columns, required)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _row(line, names, cells)
            line = reader.line_num + 1
    except csv.Error:
        # A quotation mark that is never closed swallows the rest of the file into one cell.
        yield Row(line, {}, "This row cannot be read, nor anything after it. Is a quotation mark missing?")
    finally:
        # The stream is its caller's to close.
        text.detach()


def _names(header: list[str], columns: Sequence[str], required: str) -> list[str]:
    names, known = [name.strip().lower() for name in header], ", ".join(columns)
    if required not in names:
        raise errors.BadInput(f"The first line must name the columns; one must be {required}. Known: {known}.")
    if unknown := [name for name in names if name not in columns]:
        raise errors.BadInput(f"There is no column {unknown[0][:60]!r}. Known: {known}.")
    return names


def _row(line: int, names: list[str], cells: list[str]) -> Row:
    found = dict(zip(names, (cell.strip() for cell in cells), strict=False))
    if len(cells) > len(names):
        return Row(line, found, "This row has more cells than the first line has columns.")
    if any("\0" in cell for cell in cells):
        return Row(line, found, "This row holds a NUL character.")
    return Row(line, found)


def _encoding(stream: BinaryIO) -> str:
    start = stream.read(4)
    stream.seek(0)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    text = io.TextIOWrapper(stream, encoding="utf-8-sig")
    try:
        while text.read(_PIECE):
            pass
    except UnicodeDecodeError:
        # What spreadsheets in Western Europe still write.
        return "cp1252"
    finally:
        text.detach()
        stream.seek(0)
    return "utf-8-sig"
