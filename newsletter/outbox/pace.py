"""What one worker knows of the pace: which keys are limited, and what the answers say about going slower or faster.

While nothing is limited it costs a look at a small table every few seconds, and nothing a message.
"""

import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from newsletter import settings
from newsletter.outbox import throttle
from newsletter.outbox.replies import Reply
from newsletter.outbox.throttle import RELAY, Admitted

_SPAN = 10.0  # seconds of one generation of the tally: "lately" is one or two of them
_KEYS_MOST = 5000  # domains in one generation: it is closed early rather than grow


class Pace:
    """One worker's sight of the limits."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._settings = settings.current()
        self._ceilings = throttle.ceilings()
        self._slowed: dict[str, float] = {}
        self._looked_at = float("-inf")
        self._tally = _Tally(timer)
        self._pushed: set[str] = set()
        self._lock = threading.Lock()  # pages are admitted beside everything else
        self._judged_at: dict[str, float] = {}

    def page(self, most: int) -> int:
        """How many messages are worth claiming at once."""
        rates = [rates[RELAY] for rates in (self._ceilings, self._slowed) if RELAY in rates]
        return max(1, min(most, *(int(rate) for rate in rates))) if rates else most

    def admit(self, connection: Connection, claims: Sequence[tuple[int, str]], *, is_stream: bool = False) -> Admitted:
        """Which of the claimed (message id, domain) may leave now: all, without a query, when nothing limits them."""
        with self._lock:
            self._look(connection)
            limited = self._ceilings.keys() | self._slowed.keys()
        if RELAY not in limited and not any(domain in limited for _, domain in claims):
            return Admitted([message_id for message_id, _ in claims])
        return throttle.admit(connection, claims, limited, is_stream=is_stream)

    @property
    def has_news(self) -> bool:
        """Whether what was heard may change a pace: somebody pushed back, or is slowed."""
        return bool(self._pushed or self._slowed)

    def heard(self, domain: str, reply: Reply) -> None:
        """Take in a mail server's answer to a message for a domain; nothing is written yet."""
        if reply.code is None:
            return
        is_temporary = reply.code // 100 == 4
        # A mailbox that is full or closed (RFC 3463 X.2) or unknown (X.1) says nothing about the domain.
        if is_temporary and reply.phase in ("rcpt", "dot") and not reply.enhanced.startswith(("4.1.", "4.2.")):
            self._push(domain)
        elif is_temporary and reply.phase == "mail":
            self._push(RELAY)
        elif reply.phase in ("rcpt", "dot"):
            self._tally.add(domain)
            self._tally.add(RELAY)

    def tell(self, connection: Connection) -> None:
        """Write down what was heard, where it changes a pace: nothing, as long as all goes well."""
        with self._lock:
            # In order: two workers that lock several keys lock them in the same one.
            for key in sorted(self._pushed | self._slowed.keys()):
                if key not in self._slowed:
                    self._begin_slowing(connection, key)
                elif self._is_time_to_judge(key):
                    self._judge(connection, key)
            self._pushed.clear()

    def _begin_slowing(self, connection: Connection, key: str) -> None:
        answers, refusals, per_second = self._tally.figures(key)
        is_storm = refusals >= self._settings.pace_refusals and self._is_much(refusals, answers)
        # A relay that takes nothing at all finds us not too fast: it rests (see host.py).
        if is_storm and (key != RELAY or answers > refusals):
            self._slow(connection, key, per_second)

    def _judge(self, connection: Connection, key: str) -> None:
        answers, refusals, _ = self._tally.figures(key)
        if self._is_much(refusals, answers):
            self._slow(connection, key, 0.0)
        elif answers:
            throttle.ease(connection, key)
            self._begin_judging(key)

    def _look(self, connection: Connection) -> None:
        if self._timer() - self._looked_at >= self._settings.pace_refresh.total_seconds():
            self._looked_at, self._slowed = self._timer(), throttle.slowed(connection)

    def _push(self, key: str) -> None:
        self._tally.add(key, is_refusal=True)
        self._pushed.add(key)

    def _slow(self, connection: Connection, key: str, per_second: float) -> None:
        self._slowed[key] = throttle.slow(connection, key, lately=per_second)
        self._begin_judging(key)

    def _is_much(self, refusals: int, answers: int) -> bool:
        return refusals > 0 and refusals >= self._settings.pace_share * answers

    def _is_time_to_judge(self, key: str) -> bool:
        since = self._judged_at.setdefault(key, self._timer())
        return self._timer() - since >= self._settings.pace_ease.total_seconds()

    def _begin_judging(self, key: str) -> None:
        self._judged_at[key] = self._timer()
        self._tally.forget(key)


class _Tally:
    """Answers and refusals by key in the last seconds, in two generations."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._answers: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._refusals: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._began = (timer(), timer())

    def add(self, key: str, *, is_refusal: bool = False) -> None:
        if self._timer() - self._began[1] > _SPAN or len(self._answers[1]) > _KEYS_MOST:
            self._answers, self._refusals = (self._answers[1], {}), (self._refusals[1], {})
            self._began = self._began[1], self._timer()
        self._answers[1][key] = self._answers[1].get(key, 0) + 1
        if is_refusal:
            self._refusals[1][key] = self._refusals[1].get(key, 0) + 1

    def figures(self, key: str) -> tuple[int, int, float]:
        """How many answers, how many of them refusals, and how many answers a second."""
        answers = sum(generation.get(key, 0) for generation in self._answers)
        refusals = sum(generation.get(key, 0) for generation in self._refusals)
        return answers, refusals, answers / max(1.0, self._timer() - self._began[0])

    def forget(self, key: str) -> None:
        for generation in (*self._answers, *self._refusals):
            generation.pop(key, None)
