"""Reading the rows of a CSV file as spreadsheets write it, without ever holding the whole file."""

import csv
import io
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, BinaryIO

_PIECE = 1 << 20


@dataclass(frozen=True)
class Row:
    """One row: the line it begins on, its cells by column, and why it cannot be used, if so."""

    line: int
    cells: dict[str, str]
    problem: str = ""


def names(stream: BinaryIO) -> list[str]:
    """The columns that the first line of a seekable file names, in lower case; the file is left at its beginning."""
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
    try:
        return _names(next(_reader(text), []))
    except csv.Error:
        return []
    finally:
        text.detach()
        stream.seek(0)


def read(stream: BinaryIO) -> Generator[Row]:
    """The rows after the first line of a seekable file in UTF-8, UTF-16 or Windows-1252, separated by `,`, `;` or tab.

    The first line names the columns, in any order and case.
    """
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
    line = 1
    try:
        reader = _reader(text)
        columns = _names(next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _row(line, columns, cells)
            line = reader.line_num + 1
    except csv.Error:
        # A quotation mark that is never closed swallows the rest of the file into one cell.
        yield Row(line, {}, "This row cannot be read, nor anything after it. Is a quotation mark missing?")
    finally:
        # The stream is its caller's to close.
        text.detach()


def _reader(text: io.TextIOWrapper) -> Any:
    header = text.readline(_PIECE)
    text.seek(0)
    return csv.reader(text, delimiter=max(",;\t", key=header.count))


def _names(header: list[str]) -> list[str]:
    return [name.strip().lower() for name in header]


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
