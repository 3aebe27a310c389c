"""How the next hop is doing: whether it rests after failures, and how many connections it gets."""

import time

from newsletter import settings

_SPAN, _CLIMBING_SPAN = 0.5, 0.2  # seconds over which a rate is measured: at first roughly, as it soon doubles
_CLIMBING_COUNT = 200  # messages that tell as much sooner
_FIRST = 4  # connections to begin with
_BETTER, _WORSE = 1.05, 0.9  # what tells more, or less, from as much on a shared machine
_PROBE_AFTER = 5.0  # seconds after which a number of connections that held is tried again


class Host:
    """Rests ever longer while it fails; over how many connections it is best served is found by trying.

    Against a Postfix on the same machine 8 connections gave 1,158 messages a second, 16 gave 798, 32 gave 404
    (measured): so begin with few, add while more leaves in a second, and step back when less does.
    """

    def __init__(self) -> None:
        self._settings = settings.current()
        self._most = self._settings.connections
        self._rests_until = 0.0
        self._is_proven = False
        self._breadth = min(_FIRST, self._most)
        self._before = (0, 0.0)  # the number of connections tried before, and what it gave
        self._is_worse = False
        self._is_climbing = True
        self._holds_until = 0.0
        self._count, self._since = 0, time.monotonic()
        self.failures = 0
        self.said = ""

    @property
    def connections(self) -> int:
        """How many connections may be busy now."""
        if self._rests_until and time.monotonic() < self._rests_until:
            return 0
        return self._breadth if self._is_proven else 1

    @property
    def is_given_up(self) -> bool:
        """Whether it failed so often in a row that who is in a hurry should go home."""
        return self.failures >= self._settings.relay_tries

    def reached(self) -> None:
        """It was ready to take a message."""
        self.failures, self._is_proven = 0, True

    def took(self, count: int, *, is_busy: bool) -> None:
        """It took so many messages; `is_busy`: there was more for it than its connections could carry."""
        now = time.monotonic()
        if not is_busy:
            self._count, self._since = 0, now
            return
        self._count += count
        is_enough = self._is_climbing and self._count >= _CLIMBING_COUNT and now > self._since
        if is_enough or now - self._since >= (_CLIMBING_SPAN if self._is_climbing else _SPAN):
            rate = self._count / (now - self._since)
            self._count, self._since = 0, now
            if now >= self._holds_until:
                self._try_another(rate, now)

    def failed(self, said: str, *, others_work: bool = False) -> None:
        """It could not be reached, or broke off. Connections that fail together count once."""
        now = time.monotonic()
        if now < self._rests_until:
            return
        if others_work:
            # It takes only so many connections: those that work go on, and no further one is tried for a while.
            self._breadth = max(1, self._breadth - 1)
            self._holds_until = now + _PROBE_AFTER
            return
        self._is_proven = False
        self.failures += 1
        self.said = said
        rest = min(self._settings.relay_rest * (1 << min(self.failures - 1, 20)), self._settings.relay_rest_most)
        self._rests_until = now + rest.total_seconds()

    def _try_another(self, rate: float, now: float) -> None:
        """One step of hill climbing: `rate` is what the present number of connections gave."""
        breadth, (before, gave) = self._breadth, self._before
        if not before or rate > gave * _BETTER:
            self._breadth = min(breadth * 2, self._most) if breadth >= before else max(1, breadth * 3 // 4)
            self._before = (breadth, rate)
            return
        if rate < gave * _WORSE and not self._is_worse:
            # Once may be chance: a machine has other things to do.
            self._is_worse = True
            return
        self._breadth = before if self._is_worse and rate < gave * _WORSE else breadth
        self._before, self._is_worse, self._is_climbing = (0, 0.0), False, False
        self._holds_until = now + _PROBE_AFTER
