"""Counting who came and who left, day by day, from the consent records: once each, in the order they were written.

A person comes with the first subscription and leaves with the last: of everything, of a newsletter, of a topic. What a
line changes is read from the lines before it, so that taking a second topic is no second coming.
"""

import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from newsletter import clock, db, settings
from newsletter.audience import consent
from newsletter.audience.models import ConsentDetail, ConsentKind, ConsentRecord, Part, Purpose
from newsletter.feedback.models import GrowthDay, GrowthMark, IssueLeft
from newsletter.issues.models import Issue
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter

# What a count is of: a newsletter's slug, or a topic's, or neither.
Scope = tuple[str, str]
WHOLE: Scope = ("", "")
# Who leaves longer after an issue has not left because of it.
AFTER_ISSUE = timedelta(days=7)
_PAGE = 2000


@dataclass
class _Counts:
    """What a page of records adds up to."""

    joined: Counter[tuple[date, Scope]] = field(default_factory=Counter)
    left: Counter[tuple[date, Scope]] = field(default_factory=Counter)
    after_issue: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Line:
    """One consent record, as far as it changes what somebody takes."""

    id: int
    subscriber_id: int
    kind: ConsentKind
    wishes: frozenset[str]
    at: datetime

    def applied(self, held: frozenset[str]) -> frozenset[str]:
        """What is taken after it."""
        if self.kind in (ConsentKind.CONFIRMED, ConsentKind.IMPORTED):
            return held | self.wishes
        if self.kind in (ConsentKind.WITHDRAWN, ConsentKind.MOVED):
            return held - self.wishes
        return frozenset() if self.kind is ConsentKind.ERASED else held


def catch_up(*, seconds: float = 5.0) -> int:
    """Count what is not counted yet, a page a transaction, for about so long; returns how many records it was."""
    until, counted = time.monotonic() + seconds, 0
    while page := count_page():
        db.session.commit()
        db.session.expunge_all()
        counted += page
        if time.monotonic() > until:
            break
    db.session.commit()
    return counted


def count_page(limit: int = _PAGE) -> int:
    """Count the next records, up to `limit`; returns how many. Flushes; harmless if two do it at once."""
    mark = _mark()
    last_id, at = _end_of_page(mark.record_id, limit)
    if last_id is None:
        mark.counted_at = at
        db.session.flush()
        return 0
    changes, number = _changes(mark.record_id, last_id)
    _add(changes)
    mark.record_id, mark.counted_at = last_id, at
    db.session.flush()
    return number


def _mark() -> GrowthMark:
    db.session.execute(
        db.insert(GrowthMark)
        .values(id=1, record_id=0, counted_at=datetime(1970, 1, 1, tzinfo=UTC))
        .on_conflict_do_nothing()
    )
    return db.session.scalars(select(GrowthMark).with_for_update().execution_options(populate_existing=True)).one()


def _end_of_page(after: int, limit: int) -> tuple[int | None, datetime]:
    """The last record to count now, and the instant up to which all are counted with it."""
    newest = clock.now()
    if db.session.get_bind().dialect.name == "postgresql":
        # Numbers are given before the commit: one that is still to come may be smaller than one that is there.
        newest -= settings.current().counting_lag
    page = (
        select(ConsentRecord.id, ConsentRecord.at)
        .where(ConsentRecord.id > after)
        .order_by(ConsentRecord.id)
        .limit(limit)
    )
    found = db.session.execute(page).all()
    ready = next((place for place, row in enumerate(found) if row.at > newest), len(found))
    if not ready:
        return None, newest
    return found[ready - 1].id, newest if ready < limit else found[ready - 1].at


def _changes(after: int, last_id: int) -> tuple[_Counts, int]:
    counts, number = _Counts(), 0
    zone, issues = ZoneInfo(newsletters.zone()), _Issues(after, last_id)
    for lines in _chains(after, last_id):
        held: frozenset[str] = frozenset()
        for line in lines:
            taken = line.applied(held)
            if line.id > after:
                number += 1
                _count(counts, line, held, taken, zone, issues)
            held = taken
    # What is no wish's record is passed over, and counts as looked at.
    return counts, max(number, 1)


def _count(
    counts: _Counts, line: _Line, held: frozenset[str], taken: frozenset[str], zone: ZoneInfo, issues: "_Issues"
) -> None:
    if held == taken:
        return
    on, before, now = line.at.astimezone(zone).date(), _scopes(held), _scopes(taken)
    counts.joined.update((on, scope) for scope in now - before)
    counts.left.update((on, scope) for scope in before - now)
    for slug, topic in before - now:
        if slug and not topic and (issue_id := issues.before(slug, line.at)):
            counts.after_issue[issue_id] += 1


def _scopes(held: Iterable[str]) -> set[Scope]:
    found: set[Scope] = set()
    for wish in held:
        newsletter, _, topic = wish.partition(":")
        found |= {WHOLE, (newsletter, ""), ("", topic)}
    return found


def _chains(after: int, last_id: int) -> Iterable[list[_Line]]:
    """Of everybody who has a record in this page: all their lines up to its end, in their order."""
    people = select(ConsentRecord.subscriber_id).where(ConsentRecord.id > after, ConsentRecord.id <= last_id)
    rows = db.session.execute(
        select(
            ConsentRecord.id,
            ConsentRecord.subscriber_id,
            ConsentRecord.number,
            ConsentRecord.kind,
            ConsentRecord.wishes,
            ConsentRecord.at,
            ConsentRecord.channel,
        )
        .where(
            ConsentRecord.subscriber_id.in_(people),
            ConsentRecord.id <= last_id,
            ConsentRecord.purpose == Purpose.NEWSLETTERS,
            ConsentRecord.kind != ConsentKind.REQUESTED,
        )
        .order_by(ConsentRecord.subscriber_id, ConsentRecord.number)
    ).all()
    unproved = _unproved(rows)
    chains: dict[int, list[_Line]] = defaultdict(list)
    for row in rows:
        wishes = frozenset() if (row.subscriber_id, row.number) in unproved else frozenset(row.wishes)
        chains[row.subscriber_id].append(_Line(row.id, row.subscriber_id, row.kind, wishes, row.at))
    return chains.values()


def _unproved(rows: Sequence[Any]) -> set[tuple[int, int]]:
    """The imports that only wait to be asked."""
    imported = {(row.subscriber_id, row.number): row.channel for row in rows if row.kind is ConsentKind.IMPORTED}
    found = {key for key, channel in imported.items() if channel == consent.UNPROVED}
    # Lines of earlier versions say so beside.
    earlier = [subscriber_id for (subscriber_id, _), channel in imported.items() if channel != consent.UNPROVED]
    for start in range(0, len(earlier), 500):
        details = select(ConsentDetail).where(
            ConsentDetail.subscriber_id.in_(earlier[start : start + 500]), ConsentDetail.part == Part.PERSON
        )
        found |= {
            (each.subscriber_id, each.number)
            for each in db.session.scalars(details)
            if each.content.get("note") == consent.TO_RECONFIRM
        }
    return found & imported.keys()


class _Issues:
    """The issues after which somebody may have left."""

    def __init__(self, after: int, last_id: int) -> None:
        page = select(ConsentRecord.at).where(ConsentRecord.id > after, ConsentRecord.id <= last_id)
        since = min(db.session.scalars(page)) - AFTER_ISSUE
        released = (
            select(Newsletter.slug, Issue.released_at, Issue.id)
            .join(Newsletter, Newsletter.id == Issue.newsletter_id)
            .where(Issue.released_at >= since)
            .order_by(Issue.released_at)
        )
        self._released: Mapping[str, list[tuple[datetime, int]]] = defaultdict(list)
        for slug, at, issue_id in db.session.execute(released):
            if at is not None:
                self._released[slug].append((at, issue_id))

    def before(self, slug: str, at: datetime) -> int | None:
        """The last issue of a newsletter before an instant, if it is not too long ago."""
        released = self._released.get(slug, [])
        place = bisect_right(released, at, key=lambda pair: pair[0])
        if not place or released[place - 1][0] < at - AFTER_ISSUE:
            return None
        return released[place - 1][1]


def _add(counts: _Counts) -> None:
    days = [
        {
            "day": day,
            "newsletter": newsletter,
            "topic": topic,
            "joined": counts.joined[day, (newsletter, topic)],
            "departed": counts.left[day, (newsletter, topic)],
        }
        for day, (newsletter, topic) in sorted(counts.joined.keys() | counts.left.keys())
    ]
    if days:
        statement = db.insert(GrowthDay.__table__)
        more = {name: GrowthDay.__table__.c[name] + statement.excluded[name] for name in ("joined", "departed")}
        db.session.execute(
            statement.on_conflict_do_update(index_elements=["day", "newsletter", "topic"], set_=more), days
        )
    left = [{"issue_id": issue_id, "number": number} for issue_id, number in sorted(counts.after_issue.items())]
    if left:
        statement = db.insert(IssueLeft.__table__)
        db.session.execute(
            statement.on_conflict_do_update(
                index_elements=["issue_id"], set_={"number": IssueLeft.__table__.c.number + statement.excluded.number}
            ),
            left,
        )
