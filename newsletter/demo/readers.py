"""The 240 readers of the sample magazine: who they are, what they take, and what became of them."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

DOMAIN = "readers.example"

_FIRST = (
    *("Ada", "Bram", "Celia", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Imke", "Jonas", "Kaja", "Levi"),
    *("Mina", "Noor", "Otis", "Pilar", "Quentin", "Rosa", "Sven", "Tilda", "Umar", "Vera", "Wanda", "Yannick"),
)
_LAST = ("Abel", "Brandt", "Castell", "Dunmore", "Ekwall", "Fonseca", "Grimaldi", "Holt", "Ivers", "Jansky")

# (daily topics, weekly topics, whether Breaking too): one digest a topic, as the preferences keep it.
_MIXES: tuple[tuple[str, str, bool], ...] = (
    ("design art", "music", False),
    ("", "design entertainment music fashion art tech footwear gaming", False),
    ("tech gaming", "design", True),
    ("footwear fashion", "art", False),
    ("", "music entertainment", False),
    ("music", "fashion footwear", False),
    ("design entertainment music", "tech", True),
    ("", "gaming tech", False),
    ("gaming", "entertainment", False),
    ("fashion", "design art", False),
    ("entertainment art", "footwear gaming", False),
    ("tech", "music", True),
)


class Fate(enum.StrEnum):
    """What became of a reader."""

    STAYED = "stayed"
    JOINED_LATE = "joined late"  # after the sent issues
    PAUSED = "paused"
    LEFT = "left"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    PENDING = "pending"
    RECONFIRM = "to re-confirm"


@dataclass(frozen=True)
class Person:
    """One reader; `age` is how long ago the form was sent or the file imported."""

    number: int
    name: str
    address: str
    wishes: tuple[str, ...]  # "daily:music"
    fate: Fate
    age: timedelta
    is_imported: bool


def everybody() -> Iterator[Person]:
    """All of them, always the same, the one who came first first."""
    for number in range(len(_FIRST) * len(_LAST)):
        first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST)]
        fate = _fate(number)
        yield Person(
            number=number,
            name=f"{first} {last}",
            address=f"{first}.{last}@{DOMAIN}".lower(),
            wishes=_wishes(number),
            fate=fate,
            age=_age(number, fate),
            is_imported=fate is Fate.RECONFIRM or number % 17 == 5,
        )


def _fate(number: int) -> Fate:
    """200 of them may be written to, the others make up every other state."""
    if number >= 232:
        return Fate.JOINED_LATE
    spread = {7: Fate.PENDING, 19: Fate.LEFT, 31: Fate.RECONFIRM, 43: Fate.BOUNCED, 55: Fate.PAUSED}
    if number in (101, 173):
        return Fate.COMPLAINED
    # Every fifth or so of some places, so that no page of a list shows one state alone.
    return next((fate for place, fate in spread.items() if number % 58 in (place, (place + 4) % 58)), Fate.STAYED)


def _wishes(number: int) -> tuple[str, ...]:
    daily, weekly, breaking = _MIXES[number % len(_MIXES)]
    topics = [*daily.split(), *weekly.split()]
    return (
        *(f"daily:{topic}" for topic in daily.split()),
        *(f"weekly:{topic}" for topic in weekly.split()),
        *(f"breaking:{topic}" for topic in topics if breaking),
    )


def _age(number: int, fate: Fate) -> timedelta:
    if fate is Fate.JOINED_LATE:
        return timedelta(minutes=150 + 7 * (240 - number))
    if fate is Fate.PENDING:
        return timedelta(hours=2 + number % 40)
    # Over a year and a half, more of them lately.
    return timedelta(days=8 + 500 * ((239 - number) / 239) ** 2, minutes=number * 37 % 600)
