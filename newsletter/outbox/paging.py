"""Very many rows in pages: how large a write transaction may be, and the rest everybody else gets after it."""

import time
from collections.abc import Callable, Iterator

from newsletter import db, settings

_FIRST = 2000  # until it is known how fast this disk is
_LEAST = 2000  # below this a page's own cost is most of it, and smaller pages would hold the lock longer in all
_STEP = 2.0  # at most this much larger or smaller than the page before


class Pace:
    """Finds the number of rows with which a transaction holds SQLite's one write lock for about `page_time`.

    On PostgreSQL nobody waits for a page but whoever wants the same rows, so it grows to the most there may be:
    smaller ones cost the server twice as much (52 us a planned message in pages of 2,000, 27 in pages of 20,000).
    """

    def __init__(self, most: int) -> None:
        self._least, self._most = min(_LEAST, most), most
        self.limit = min(_FIRST, most)

    def after(self, held: float) -> None:
        """Learn from a page that held the lock for so many seconds, and leave the lock to others for a while."""
        if db.session.get_bind().dialect.name != "sqlite":
            self.limit = min(self._most, int(self.limit * _STEP))
            return
        target = settings.current().page_time.total_seconds()
        factor = min(_STEP, max(1 / _STEP, target / max(held, 1e-6)))
        self.limit = min(self._most, max(self._least, int(self.limit * factor)))
        # Who waits for the lock looks for it every few milliseconds (db): taken again at once, it is never found free.
        time.sleep(min(held, target) / 4)


def pages(act: Callable[[], int]) -> Iterator[int]:
    """Call `act`, which works a page off in the session and returns how many rows it was, and commit, until it is 0."""
    pace = Pace(settings.current().sweep_page)
    while True:
        began = time.monotonic()
        count = act()
        db.session.commit()
        pace.after(time.monotonic() - began)
        if not count:
            return
        yield count
