"""How the readership grows: who came and who left, from the counted days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select

from newsletter import clock, db
from newsletter.feedback.models import GrowthDay, GrowthMark
from newsletter.publication import newsletters


@dataclass(frozen=True)
class Growth:
    """Who reads now, and who came and left since."""

    readers: int
    joined: int
    left: int

    @property
    def net(self) -> int:
        return self.joined - self.left


@dataclass(frozen=True)
class Span:
    """A day, or a week, of growth; `readers` is how many there were at its end."""

    first_on: date
    last_on: date
    joined: int
    left: int
    readers: int

    @property
    def net(self) -> int:
        return self.joined - self.left


def lately(days: int, *, newsletter: str = "", topic: str = "") -> Growth:
    """Readers now; who came and left today and in the days before, `days` in all."""
    since = today() - timedelta(days=days - 1)
    joined, left = _sums(newsletter, topic, since)
    return Growth(readers(newsletter=newsletter, topic=topic), joined, left)


def readers(*, newsletter: str = "", topic: str = "") -> int:
    """How many people have something confirmed: in all, in a newsletter or in a topic."""
    joined, left = _sums(newsletter, topic, date.min)
    return joined - left


def spans(days: int, *, newsletter: str = "", topic: str = "") -> list[Span]:
    """The last days one by one, without a gap; more than about a quarter: week by week."""
    step = 1 if days <= 100 else 7
    count = -(-days // step)
    last_on = today()
    first_on = last_on - timedelta(days=count * step - 1)
    by_day = {
        on: (joined, left)
        for on, joined, left in db.session.execute(
            select(GrowthDay.day, GrowthDay.joined, GrowthDay.departed).where(
                GrowthDay.newsletter == newsletter, GrowthDay.topic == topic, GrowthDay.day >= first_on
            )
        )
    }
    total = readers(newsletter=newsletter, topic=topic) - sum(joined - left for joined, left in by_day.values())
    found = []
    for number in range(count):
        on = first_on + timedelta(days=number * step)
        inside = [by_day.get(on + timedelta(days=place), (0, 0)) for place in range(step)]
        joined, left = sum(each[0] for each in inside), sum(each[1] for each in inside)
        total += joined - left
        found.append(Span(on, on + timedelta(days=step - 1), joined, left, total))
    return found


def by_scope(days: int) -> dict[tuple[str, str], Growth]:
    """`lately` of everything that was ever counted: (newsletter's slug, topic's slug)."""
    is_late = GrowthDay.day >= today() - timedelta(days=days - 1)
    rows = select(
        GrowthDay.newsletter,
        GrowthDay.topic,
        func.sum(GrowthDay.joined - GrowthDay.departed),
        func.sum(case((is_late, GrowthDay.joined), else_=0)),
        func.sum(case((is_late, GrowthDay.departed), else_=0)),
    ).group_by(GrowthDay.newsletter, GrowthDay.topic)
    return {(row[0], row[1]): Growth(*map(int, row[2:])) for row in db.session.execute(rows)}


def every() -> Iterator[Sequence[object]]:
    """All counted days for a table: day, newsletter, topic, joined, left; oldest first."""
    rows = select(GrowthDay.day, GrowthDay.newsletter, GrowthDay.topic, GrowthDay.joined, GrowthDay.departed)
    for row in db.session.execute(rows.order_by(GrowthDay.day, GrowthDay.newsletter, GrowthDay.topic)):
        yield tuple(row)


def counted_at() -> datetime | None:
    """The instant up to which everything is counted; None before the first count."""
    return db.session.scalar(select(GrowthMark.counted_at))


def today() -> date:
    """The present day where the publication is at home."""
    return clock.now().astimezone(ZoneInfo(newsletters.zone())).date()


def _sums(newsletter: str, topic: str, since: date) -> tuple[int, int]:
    joined, left = db.session.execute(
        select(func.coalesce(func.sum(GrowthDay.joined), 0), func.coalesce(func.sum(GrowthDay.departed), 0)).where(
            GrowthDay.newsletter == newsletter, GrowthDay.topic == topic, GrowthDay.day >= since
        )
    ).one()
    return int(joined), int(left)
