"""A courier for next hops that answer at once, in the caller's thread: a folder, a list."""

import select
from collections import deque
from collections.abc import Collection, Iterable
from typing import Protocol

from newsletter.outbox.parcels import Asked, Parcel, Told
from newsletter.outbox.replies import Reply


class Place(Protocol):
    """Where messages are put, one after another; every Reply says why not, or what became of it."""

    def open(self) -> Reply | None:
        """Get ready; again after a lost reply."""

    def offer(self, parcel: Parcel) -> Reply | None:
        """Whether a message would be taken; None: yes."""

    def put(self, parcel: Parcel) -> Reply:
        """Take it."""


class Courier:
    """Carries parcels to a place; see parcels.Courier for the promises."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._is_open = False
        self._parcels: deque[Parcel] = deque()
        self._asked: Parcel | None = None
        self._news: list[Asked | Told] = []

    def wants(self, connections: int) -> int:
        return 1 - len(self._parcels) if connections else 0

    def carry(self, parcel: Parcel) -> None:
        self._parcels.append(parcel)

    def listen(self, seconds: float, *, also: Collection[int] = ()) -> list[Asked | Told]:
        if self._asked is None and self._parcels:
            self._offer(self._parcels.popleft())
        if not self._news:
            select.select(also, [], [], seconds)
        news, self._news = self._news, []
        return news

    def answer(self, granted: Iterable[Parcel], denied: Iterable[Parcel]) -> None:
        for parcel in granted:
            if parcel is self._asked:
                self._asked = None
                reply = self._place.put(parcel)
                self._is_open = not reply.is_lost
                self._news.append(Told(parcel, reply))
        for parcel in denied:
            if parcel is self._asked:
                self._asked = None

    def withdraw(self) -> list[Parcel]:
        back, self._parcels = list(self._parcels), deque()
        return back

    def break_off(self) -> None:
        if self._asked is not None:
            self._news.append(Told(self._asked, Reply("data", None, "we stopped")))
            self._asked = None

    def close(self) -> None:
        self._is_open = False

    def _offer(self, parcel: Parcel) -> None:
        refusal = None if self._is_open else self._place.open()
        self._is_open = refusal is None
        refusal = refusal or self._place.offer(parcel)
        if refusal is None:
            self._asked = parcel
            self._news.append(Asked(parcel))
        else:
            self._is_open = not refusal.is_lost
            self._news.append(Told(parcel, refusal))
