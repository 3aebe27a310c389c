"""How fast a run goes on and how long it will take, from its counts by state looked at now and then."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from newsletter.outbox import states
from newsletter.outbox.models import MessageState

# Of the seconds just past: long enough for a calm figure, short enough to show a pause or a slow mail server.
_SPAN = 20.0


@dataclass(frozen=True)
class Figures:
    """Where messages stand. `rate`: ended a second lately; `left`: None while nobody can tell."""

    total: int
    ended: int
    by_state: Mapping[str, int]
    rate: float
    left: timedelta | None

    @property
    def share(self) -> float:
        return self.ended / self.total if self.total else 1.0


class Meter:
    """Turns counts by state, as of a moment in seconds, into figures."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def read(self, counts: Mapping[str, int], at: float) -> Figures:
        """The figures as of these counts (a number for each message state); `at` never goes back."""
        by_state = {state.value: counts.get(state.value, 0) for state in MessageState}
        total, waiting = sum(by_state.values()), sum(by_state[state.value] for state in states.OPEN)
        ended = total - waiting
        self._seen.append((at, ended))
        while len(self._seen) > 2 and self._seen[1][0] <= at - _SPAN:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = max(0.0, (ended - before) / (at - since)) if at > since else 0.0
        # A deferred message has a time of its own: it is not waited for.
        due = waiting - by_state[MessageState.DEFERRED.value]
        left = timedelta(0) if not due else timedelta(seconds=due / rate) if rate else None
        return Figures(total, ended, by_state, rate, left)
