"""Readers from a CSV file: good rows stand, refused ones are listed by line, and no consent is invented."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO
from zoneinfo import available_timezones

from sqlalchemy import select

from newsletter import clock, db, errors
from newsletter.audience import addresses, consent, subscriptions, wishes
from newsletter.audience.consent import Origin
from newsletter.audience.models import ConsentKind, Subscriber, SubscriptionState
from newsletter.audience.wishes import Wish
from newsletter.outbox import suppression

COLUMNS = ("email", "newsletters", "topics", "status", "consent_at", "consent_source", "language", "timezone")
_BATCH = 500
_PIECE = 1 << 20


@dataclass
class Report:
    """What came of a file: people new and updated, of these to re-confirm, and refused rows as (line, reason)."""

    new: int = 0
    updated: int = 0
    to_reconfirm: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Row:
    """One good row."""

    address: addresses.Address
    wishes: list[Wish]
    state: SubscriptionState
    consent_at: datetime | None
    consent_source: str
    language: str
    zone: str


def import_csv(stream: BinaryIO) -> Report:
    """Read a seekable CSV file with the COLUMNS, in any order, in UTF-8, UTF-16 or Windows-1252; `,`, `;` or tab.

    Owns its transactions: every few hundred rows are committed, so that a long file neither blocks sign-ups nor is
    lost by a crash; the same file again changes nothing. A row is *confirmed* only with consent_at (ISO 8601 with
    offset) and consent_source, else it waits to be re-confirmed and gets no mail. Raises BadInput for an unusable file.
    """
    report = Report()
    for number, (line, cells) in enumerate(_rows(stream, report), start=1):
        _take(line, cells, report)
        if number % _BATCH == 0:
            _settle()
    _settle()
    return report


def _settle() -> None:
    db.session.commit()
    # A million readers are never all in memory.
    db.session.expunge_all()


def _take(line: int, cells: dict[str, str], report: Report) -> None:
    try:
        with db.session.begin_nested():
            is_new, is_waiting = _keep(_parse(cells))
    except errors.BadInput as error:
        report.refused.append((line, error.message))
        return
    report.new += is_new
    report.updated += not is_new
    report.to_reconfirm += is_waiting


def _rows(stream: BinaryIO, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
    try:
        header = text.readline(_PIECE)
        text.seek(0)
        reader = csv.reader(text, delimiter=max(",;\t", key=header.count))
        names = [name.strip().lower() for name in next(reader, [])]
        if "email" not in names:
            raise errors.BadInput(f"The first line must name the columns; one must be email. Known: {_known()}.")
        if unknown := [name for name in names if name not in COLUMNS]:
            raise errors.BadInput(f"There is no column {unknown[0][:60]!r}. Known: {_known()}.")
        line = reader.line_num + 1
        while (cells := _next(reader, line, report)) is not None:
            if len(cells) > len(names):
                report.refused.append((line, "This row has more cells than the first line has columns."))
            elif any(cell.strip() for cell in cells):
                yield line, dict(zip(names, (cell.strip() for cell in cells), strict=False))
            line = reader.line_num + 1
    finally:
        # The stream is its caller's to close.
        text.detach()


def _next(reader: Iterator[list[str]], line: int, report: Report) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error:
        # A quotation mark that is never closed swallows the rest of the file into one cell.
        report.refused.append((line, "This row cannot be read, nor anything after it. Is a quotation mark missing?"))
        return None


def _encoding(stream: BinaryIO) -> str:
    start = stream.read(4)
    stream.seek(0)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        with_text = io.TextIOWrapper(stream, encoding="utf-8-sig")
        try:
            while with_text.read(_PIECE):
                pass
        finally:
            with_text.detach()
    except UnicodeDecodeError:
        # What spreadsheets in Western Europe still write.
        return "cp1252"
    finally:
        stream.seek(0)
    return "utf-8-sig"


def _known() -> str:
    return ", ".join(COLUMNS)


def _parse(cells: dict[str, str]) -> _Row:
    if any("\0" in cell for cell in cells.values()):
        raise errors.BadInput("This row holds a NUL character.")
    status = cells.get("status", "").lower() or SubscriptionState.PENDING
    if status not in (SubscriptionState.CONFIRMED, SubscriptionState.PENDING):
        raise errors.BadInput(f"The status must be confirmed or pending, not {status[:60]!r}.")
    consent_at, source = _instant(cells.get("consent_at", "")), cells.get("consent_source", "")
    is_proved = status == SubscriptionState.CONFIRMED and consent_at is not None and source != ""
    zone = cells.get("timezone", "")
    if zone and zone not in available_timezones():
        raise errors.BadInput(f"{zone[:60]!r} is not a time zone. Write it like Europe/Berlin.")
    return _Row(
        address=addresses.parse(cells.get("email", "")),
        wishes=wishes.asked(_listed(cells.get("newsletters", "")), _listed(cells.get("topics", ""))),
        state=SubscriptionState.CONFIRMED if is_proved else SubscriptionState.PENDING,
        consent_at=consent_at,
        consent_source=source,
        language=_language(cells.get("language", "")),
        zone=zone,
    )


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise errors.BadInput(f"consent_at must be like 2026-11-23T09:30:00+01:00, not {text[:60]!r}.") from None
    if moment.tzinfo is None:
        raise errors.BadInput(f"consent_at needs an offset, like 2026-11-23T09:30:00+01:00; {text[:60]!r} has none.")
    if moment > clock.now():
        raise errors.BadInput("consent_at lies in the future.")
    return moment


def _language(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", text):
        raise errors.BadInput(f"{text[:60]!r} is not a language. Write it like en or de.")
    return text or "en"


def _listed(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _keep(row: _Row) -> tuple[bool, bool]:
    """Store one row; returns whether the person is new, and whether the wish waits to be re-confirmed."""
    if suppression.is_suppressed(row.address.key):
        raise errors.BadInput("This address must not be written to (bounced, complained or asked not to be).")
    reader = db.session.scalars(select(Subscriber).filter_by(address_key=row.address.key).with_for_update()).first()
    is_new = reader is None
    if reader is None:
        reader = _add(row)
    active = subscriptions.held(reader, SubscriptionState.CONFIRMED, SubscriptionState.PENDING)
    left = subscriptions.held(reader, SubscriptionState.ENDED)
    wished = [wish for wish in row.wishes if wish.key not in left]
    if left and not (active and wished):
        raise errors.BadInput("This reader has left; only the reader can come back.")
    changed = subscriptions.put(reader, wished, row.state)
    if changed:
        _record(reader, changed, row)
    return is_new, bool(changed) and row.state is SubscriptionState.PENDING


def _add(row: _Row) -> Subscriber:
    reader = Subscriber(
        address=row.address.display,
        address_key=row.address.key,
        language=row.language,
        zone=row.zone,
        created_at=clock.now(),
    )
    db.session.add(reader)
    db.session.flush()
    return reader


def _record(reader: Subscriber, changed: list[Wish], row: _Row) -> None:
    if row.state is SubscriptionState.CONFIRMED and row.consent_at:
        note = f"consent of {row.consent_at.isoformat()}: {row.consent_source}"
    else:
        note = "to re-confirm"
    consent.record(ConsentKind.IMPORTED, reader, changed, Origin(channel="import"), note=note[:500])
