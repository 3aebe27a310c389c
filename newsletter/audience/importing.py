"""Readers from a CSV file: good rows stand, refused ones are listed by line, and no consent is invented."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, BinaryIO
from zoneinfo import available_timezones

from sqlalchemy import or_, select

from newsletter import clock, db, errors, signing
from newsletter.audience import addresses, consent, layouts, sheets, wishes
from newsletter.audience.consent import Entry, Origin
from newsletter.audience.layouts import Layout
from newsletter.audience.models import ConsentKind, Subscriber, Subscription, SubscriptionState
from newsletter.audience.wishes import Wish
from newsletter.outbox.models import Suppression

# Rows of one transaction: a statement for all of them costs little more than one for each.
BATCH = 500
_LEFT = "This reader left on {day} and is not revived; only the reader can come back."
_STOPPED = "This address must not be written to (bounced, complained or asked not to be)."


@dataclass
class Report:
    """What came of a file: people new and updated, of these to re-confirm, and refused rows as (line, reason).

    `stopped` of the refused ones must not be written to, or left.
    """

    new: int = 0
    updated: int = 0
    to_reconfirm: int = 0
    stopped: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """What the readers of a file get where it does not say so itself: nothing chosen is the default newsletter."""

    newsletters: Sequence[str] = ()
    topics: Sequence[str] = ()


@dataclass(frozen=True)
class Understood:
    """One row as it would be taken: for somebody to look at before it is."""

    address: str
    wishes: list[str]
    state: str
    note: str


@dataclass(frozen=True)
class _Row:
    """One row that can be used."""

    line: int
    address: addresses.Address
    wishes: list[Wish]
    state: SubscriptionState
    note: str
    language: str
    zone: str


@dataclass
class _Reader:
    """A person of the batch, and what they have."""

    id: int
    is_new: bool
    held: dict[tuple[int, int], Subscription]


def import_csv(stream: BinaryIO, choice: Choice = Choice(), *, is_dry: bool = False) -> Report:
    """Read a seekable CSV file in a layout we know, in UTF-8, UTF-16 or Windows-1252; `,`, `;` or tab.

    Owns its transactions: every few hundred rows are committed, so that a long file neither blocks sign-ups nor is
    lost by a crash; the same file again changes nothing. A row is *confirmed* only with consent_at (ISO 8601 with
    offset) and consent_source, else it waits to be re-confirmed and gets no mail. Raises BadInput for an unusable file.
    With `is_dry` nothing is changed, and the report says what would be.
    """
    report, seen = Report(), set[str]()
    layout = layouts.of(sheets.names(stream))
    rows = sheets.read(stream)
    while batch := list(itertools.islice(rows, BATCH)):
        if is_dry:
            look(batch, layout, choice, report, seen)
        else:
            take(batch, layout, choice, report)
        db.session.commit()
        # A million readers are never all in memory.
        db.session.expunge_all()
    report.refused.sort()
    return report


def take(batch: Sequence[sheets.Row], layout: Layout, choice: Choice, report: Report) -> None:
    """Take a batch of rows in; flushes."""
    good = list(_usable(batch, layout, choice, report))
    readers = _readers(good)
    records = []
    for row in good:
        reader = readers[row.address.key]
        wished = _open_to(row, reader, report)
        if not wished:
            continue
        changed = _put(reader, wished, row.state)
        report.new += reader.is_new
        report.updated += not reader.is_new
        report.to_reconfirm += bool(changed) and row.state is SubscriptionState.PENDING
        reader.is_new = False
        if changed:
            records.append(_record(reader, changed, row))
    consent.record_all(records)


def look(
    batch: Sequence[sheets.Row], layout: Layout, choice: Choice, report: Report, seen: set[str]
) -> list[Understood]:
    """What taking a batch in would do, changing nothing; `seen` holds the new addresses of the batches before."""
    good = list(_usable(batch, layout, choice, report))
    known, understood = _known({row.address.key for row in good}), []
    for row in good:
        key = row.address.key
        reader = known.setdefault(key, _Reader(0, key not in seen, {}))
        wished = _open_to(row, reader, report)
        if not wished:
            continue
        is_waiting = row.state is SubscriptionState.PENDING
        report.new += reader.is_new
        report.updated += not reader.is_new
        report.to_reconfirm += is_waiting and (reader.is_new or _adds(reader, wished)) and key not in seen
        reader.is_new = False
        if not reader.id:
            seen.add(key)
        understood.append(Understood(row.address.display, [wish.name for wish in wished], row.state.value, row.note))
    return understood


def _open_to(row: _Row, reader: _Reader, report: Report) -> list[Wish]:
    """What a row may bring its reader; nothing, and a refusal, where it was left."""
    left = {key for key, each in reader.held.items() if each.state is SubscriptionState.ENDED}
    wished = [wish for wish in row.wishes if wish.key not in left]
    if left and (not wished or len(left) == len(reader.held)):
        report.stopped += 1
        report.refused.append((row.line, _LEFT.format(day=_left_on(reader))))
        return []
    return wished


def _adds(reader: _Reader, wished: list[Wish]) -> bool:
    return any(wish.key not in reader.held for wish in wished)


def _usable(batch: Sequence[sheets.Row], layout: Layout, choice: Choice, report: Report) -> Iterable[_Row]:
    """The rows that say what they must, of addresses that may be written to."""
    known_wishes = cache(_wishes)
    parsed = []
    for row in batch:
        try:
            if row.problem:
                raise errors.BadInput(row.problem)
            cells = layout.translated(row.cells)
            wished = known_wishes(
                cells.get("newsletters") or ";".join(choice.newsletters),
                cells.get("topics") or ";".join(choice.topics),
                cells.get("subscriptions", ""),
            )
            parsed.append(_parse(row.line, cells, wished))
        except errors.BadInput as error:
            report.refused.append((row.line, error.message))
    stopped = _suppressed({row.address.key for row in parsed})
    for good in parsed:
        if good.address.key in stopped:
            report.stopped += 1
            report.refused.append((good.line, _STOPPED))
        else:
            yield good


def _parse(line: int, cells: Mapping[str, str], wished: list[Wish]) -> _Row:
    status = cells.get("status", "").lower() or SubscriptionState.PENDING
    if status not in (SubscriptionState.CONFIRMED, SubscriptionState.PENDING):
        raise errors.BadInput(f"The status must be confirmed or pending, not {status[:60]!r}.")
    consent_at, source = _instant(cells.get("consent_at", "")), cells.get("consent_source", "")
    is_proved = status == SubscriptionState.CONFIRMED and consent_at is not None and source != ""
    return _Row(
        line=line,
        address=addresses.parse(cells.get("email", "")),
        wishes=wished,
        state=SubscriptionState.CONFIRMED if is_proved else SubscriptionState.PENDING,
        note=f"consent of {cells['consent_at']}: {source}"[:500] if is_proved else consent.TO_RECONFIRM,
        language=_language(cells.get("language", "")),
        zone=_zone(cells.get("timezone", "")),
    )


def _wishes(newsletters: str, topics: str, names: str) -> list[Wish]:
    return wishes.asked(_listed(newsletters), _listed(topics), _listed(names))


def _listed(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


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


def _zone(text: str) -> str:
    if text and text not in _zones():
        raise errors.BadInput(f"{text[:60]!r} is not a time zone. Write it like Europe/Berlin.")
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _suppressed(keys: set[str]) -> set[str]:
    digests = {digest: key for key in keys for digest in signing.digests("suppression", key)}
    found = db.session.execute(
        select(Suppression.address, Suppression.digest).where(
            Suppression.lifted_at.is_(None), or_(Suppression.address.in_(keys), Suppression.digest.in_(digests))
        )
    )
    return {address or digests[digest] for address, digest in found}


def _readers(rows: list[_Row]) -> dict[str, _Reader]:
    """The people of these rows, made if new, locked until the transaction ends."""
    keys = {row.address.key: row for row in reversed(rows)}  # of two rows for one address the first makes the person
    known = set(db.session.scalars(select(Subscriber.address_key).where(Subscriber.address_key.in_(keys))))
    made = [_person(row) for key, row in keys.items() if key not in known]
    if made:
        db.session.execute(db.insert(Subscriber).on_conflict_do_nothing(), made)
    # In the order of their ids, so that two imports wait for each other and never both.
    people = select(Subscriber.id, Subscriber.address_key).where(Subscriber.address_key.in_(keys))
    found = db.session.execute(people.order_by(Subscriber.id).with_for_update()).all()
    return _with_held({reader_id: _Reader(reader_id, key not in known, {}) for reader_id, key in found}, found)


def _known(keys: set[str]) -> dict[str, _Reader]:
    """Those of these people that there are."""
    people = select(Subscriber.id, Subscriber.address_key).where(Subscriber.address_key.in_(keys))
    found = db.session.execute(people).all()
    return _with_held({reader_id: _Reader(reader_id, is_new=False, held={}) for reader_id, _ in found}, found)


def _with_held(readers: dict[int, _Reader], found: Sequence[Any]) -> dict[str, _Reader]:
    for held in db.session.scalars(select(Subscription).where(Subscription.subscriber_id.in_(readers))):
        readers[held.subscriber_id].held[held.newsletter_id, held.topic_id] = held
    return {key: readers[reader_id] for reader_id, key in found}


def _person(row: _Row) -> dict[str, object]:
    return {
        "address": row.address.display,
        "address_key": row.address.key,
        "language": row.language,
        "zone": row.zone,
        "created_at": clock.now(),
    }


def _put(reader: _Reader, wished: list[Wish], state: SubscriptionState) -> list[Wish]:
    """Add what is new, and confirm what waits when there is proof; returns what changed."""
    changed, now = [], clock.now()
    for wish in wished:
        held = reader.held.get(wish.key)
        if held is not None and held.state in (state, SubscriptionState.CONFIRMED):
            continue
        if held is None:
            held = Subscription(
                subscriber_id=reader.id, newsletter_id=wish.newsletter.id, topic_id=wish.topic.id, created_at=now
            )
            reader.held[wish.key] = held
            db.session.add(held)
        held.state, held.confirmed_at = state, now if state is SubscriptionState.CONFIRMED else None
        changed.append(wish)
    return changed


def _left_on(reader: _Reader) -> str:
    days = [each.ended_at for each in reader.held.values() if each.ended_at]
    return max(days).date().isoformat() if days else "an earlier day"


def _record(reader: _Reader, changed: list[Wish], row: _Row) -> Entry:
    return Entry(
        subscriber_id=reader.id,
        address=row.address.display,
        kind=ConsentKind.IMPORTED,
        origin=Origin("import" if row.state is SubscriptionState.CONFIRMED else consent.UNPROVED),
        wishes=[wish.name for wish in changed],
        language=row.language,
        note=row.note,
    )
