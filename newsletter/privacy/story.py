"""One reader's whole story, newest first: what they agreed to and left, what was mailed to them, what stopped it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from newsletter import db, errors
from newsletter.audience import fresh_links, signup
from newsletter.audience.models import LinkRequest, SignupRequest, Subscriber
from newsletter.issues import receipts
from newsletter.outbox import listing, queue, suppression
from newsletter.publication import newsletters, topics

_Place = tuple[datetime, int, int]

PAGE = 30
# Of one instant the later stands higher: who asks is written down, then mailed.
_ORDER = ("record", "letter", "link", "mail", "stopped", "lifted")
_MAIL = _ORDER.index("mail")
# Above every id of a run.
_LAST = 2**31 - 1


@dataclass(frozen=True)
class Event:
    """Something that happened; `what` is a consent record as the proof tells it, a Receipt, a Letter, a Suppression."""

    at: datetime
    kind: str  # one of _ORDER
    number: int
    what: Any

    @property
    def place(self) -> str:
        """Where it stands in the story, as an address carries it."""
        return f"{self.at.isoformat()},{self.kind},{self.number}"


@dataclass(frozen=True)
class Letter:
    """A mail with a link that somebody asked for: what for, whereto, when the link was used, and the mail's state."""

    asked_for: str
    address: str
    used_at: datetime | None
    state: str


@dataclass(frozen=True)
class Page:
    """Some events; `further` is where the older ones begin, None after the last."""

    events: Sequence[Event]
    further: str | None


def page(reader: Subscriber, records: Sequence[Mapping[str, Any]], *, before: str = "") -> Page:
    """Up to PAGE events older than the place `before`. `records` are the proof's. Raises BadInput for no place."""
    cursor = _place(before) if before else None
    mails, looked_to = _mails(reader.id, cursor)
    events = [*_records(records), *mails, *_letters(reader.id), *_stops(reader.address_key)]
    # Issues older than those looked at are not known yet: what else is as old waits for the next page.
    known = [event for event in events if _is_known(event, cursor, looked_to)]
    known.sort(key=_key, reverse=True)
    if len(known) > PAGE:
        return Page(known[:PAGE], known[PAGE - 1].place)
    return Page(known, f"{looked_to[0].isoformat()},mail,{looked_to[2]}" if looked_to else None)


def titles(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Recorded wishes ("daily:music") for reading: each newsletter's title with its topics' names."""
    newsletter_of = {each.slug: each.title for each in newsletters.all()}
    topic_of = {each.slug: each.name for each in topics.all()}
    found: dict[str, list[str]] = {}
    for slug, _, topic in (name.partition(":") for name in names):
        found.setdefault(newsletter_of.get(slug, slug), []).append(topic_of.get(topic, topic))
    return list(found.items())


def _place(text: str) -> _Place:
    at, _, rest = text.partition(",")
    kind, _, number = rest.partition(",")
    try:
        found = datetime.fromisoformat(at)
        # Nearer to the ends of the calendar no zone can be reckoned with.
        found = found.replace(year=min(max(found.year, 1970), 9000))
        return found.replace(tzinfo=found.tzinfo or UTC), _ORDER.index(kind), min(int(number), _LAST)
    except ValueError:
        raise errors.BadInput("There is no such place in this story.", field="before") from None


def _key(event: Event) -> _Place:
    return event.at, _ORDER.index(event.kind), event.number


def _is_known(event: Event, cursor: _Place | None, looked_to: _Place | None) -> bool:
    return (cursor is None or _key(event) < cursor) and (looked_to is None or _key(event) >= looked_to)


def _records(records: Sequence[Mapping[str, Any]]) -> list[Event]:
    return [Event(datetime.fromisoformat(each["at"]), "record", each["number"], each) for each in records]


def _mails(subscriber_id: int, cursor: _Place | None) -> tuple[list[Event], _Place | None]:
    found, looked_to = receipts.of_reader(subscriber_id, before=_below(cursor) if cursor else None)
    events = [Event(each.released_at, "mail", each.message.run_id, each) for each in found]
    return events, (looked_to[0], _MAIL, looked_to[1]) if looked_to else None


def _below(cursor: _Place) -> receipts.Place:
    """The issues that come after this place: of its instant all, some or none."""
    at, order, number = cursor
    return at, number if order == _MAIL else 0 if order < _MAIL else _LAST


def _letters(subscriber_id: int) -> list[Event]:
    """The confirmations and links mailed at their wish; one mailed lately stands in the stream still."""
    signups = db.session.scalars(select(SignupRequest).filter_by(subscriber_id=subscriber_id)).all()
    links = db.session.scalars(select(LinkRequest).filter_by(subscriber_id=subscriber_id)).all()
    confirming = _states(signup.MAIL, [each.id for each in signups])
    linking = _states(fresh_links.MAIL, [each.id for each in links])
    return [
        Event(each.created_at, "letter", each.id, Letter("sign-up", "", each.used_at, confirming.get(each.id, "")))
        for each in signups
    ] + [
        Event(each.created_at, "link", each.id, Letter(each.kind, each.address, each.used_at, linking.get(each.id, "")))
        for each in links
    ]


def _states(kind: str, request_ids: Sequence[int]) -> dict[int, str]:
    stream = queue.find_run(kind)
    return listing.states_of(stream.id, request_ids) if stream and request_ids else {}


def _stops(key: str) -> list[Event]:
    found = suppression.of(key)
    return [Event(each.created_at, "stopped", each.id, each) for each in found] + [
        Event(each.lifted_at, "lifted", each.id, each) for each in found if each.lifted_at is not None
    ]
