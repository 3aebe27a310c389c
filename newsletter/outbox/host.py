"""How the next hop is doing: whether it rests after failures, and how many connections it gets."""

import time

from newsletter import settings


class Host:
    """Rests ever longer while it fails, and is tried over one connection until it takes a message again."""

    def __init__(self) -> None:
        self._settings = settings.current()
        self._rests_until = 0.0
        self._is_proven = False
        self.failures = 0
        self.said = ""

    @property
    def connections(self) -> int:
        """How many connections may be busy now."""
        if time.monotonic() < self._rests_until:
            return 0
        return self._settings.connections if self._is_proven else 1

    @property
    def is_given_up(self) -> bool:
        """Whether it failed so often in a row that who is in a hurry should go home."""
        return self.failures >= self._settings.relay_tries

    def reached(self) -> None:
        """It was ready to take a message."""
        self.failures, self._is_proven = 0, True

    def failed(self, said: str) -> None:
        """It could not be reached, or broke off. Connections that fail together count once."""
        now = time.monotonic()
        if now < self._rests_until:
            return
        self._is_proven = False
        self.failures += 1
        self.said = said
        rest = min(self._settings.relay_rest * (1 << min(self.failures - 1, 20)), self._settings.relay_rest_most)
        self._rests_until = now + rest.total_seconds()
