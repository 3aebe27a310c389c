"""Pages of messages: claimed, admitted and composed beside the sending, where a server does the work (PostgreSQL).

A page of 500 takes some 20 ms, half of it waiting for answers; made in turn with everything else it would leave the
mail server without work for a sixth of the time. SQLite works in our own process and has one writer: there a page is
made at once.
"""

import contextlib
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from newsletter import milestones
from newsletter.outbox import composers, ledger, throttle
from newsletter.outbox.drafts import Drafted
from newsletter.outbox.ledger import Claim
from newsletter.outbox.pace import Pace


@dataclass(frozen=True)
class Wish:
    """A page that is wanted: by which worker, of the run after which, and how many messages at most.

    `in_hand`: the ids of all it holds, when an earlier claim may have been committed although it failed for us.
    """

    worker_id: int
    after_run: int
    most: int
    in_hand: Sequence[int] | None = None


@dataclass(frozen=True)
class Claimed:
    """A page with the drafts of what may leave now, and for how long nothing further is worth claiming."""

    page: ledger.Page
    drafts: list[Drafted]
    rest: timedelta


class Claims:
    """Makes pages, one at a time."""

    def __init__(self, engine: Engine, compose: Callable[[Sequence[Claim]], list[Drafted]], pace: Pace) -> None:
        """`compose` writes drafts; it is called in a thread of its own where that is said above."""
        self._engine = engine
        self._compose = compose
        self._pace = pace
        self._hands: Executor = ThreadPoolExecutor(1, "claims") if engine.dialect.name == "postgresql" else _Ours()
        self._made: Future[Claimed] | None = None
        self._bell, self._ringer = socket.socketpair()
        self.is_in_doubt = False  # the last claim failed for us, and may have been committed all the same

    @property
    def is_under_way(self) -> bool:
        """Whether a page was begun that `result` did not bring yet."""
        return self._made is not None

    @property
    def is_over(self) -> bool:
        """Whether `result` would not wait."""
        return self._made is not None and self._made.done()

    @property
    def fileno(self) -> int:
        """Readable when the page that is under way may be over."""
        return self._bell.fileno()

    def begin(self, wish: Wish) -> None:
        """Have a page made."""
        self.is_in_doubt = True
        self._made = self._hands.submit(self._make, wish)
        self._made.add_done_callback(lambda _: self._ringer.send(b"!"))

    def result(self) -> Claimed:
        """Wait for the page that is under way. Raises OperationalError, or WorkerDead, when it was not claimed."""
        assert self._made is not None  # noqa: S101 - for the type checker: it was begun
        made, self._made = self._made, None
        try:
            claimed = made.result()
        finally:
            self._bell.recv(1)
        self.is_in_doubt = False
        return claimed

    def abandon(self) -> None:
        """Wait for the page that is under way, and forget it."""
        if self._made is not None:
            with contextlib.suppress(Exception):
                self.result()

    def close(self) -> None:
        """End the thread."""
        self._hands.shutdown()
        self._bell.close()
        self._ringer.close()

    def _make(self, wish: Wish) -> Claimed:
        with self._engine.begin() as connection:
            if wish.in_hand is not None:
                ledger.forget(connection, wish.worker_id, keep=wish.in_hand)
            page = ledger.claim(
                connection, wish.worker_id, composers.kinds(), after_run=wish.after_run, limit=wish.most
            )
            pairs = [(claim.row.id, claim.domain) for claim in page.claims]
            admitted = self._pace.admit(connection, pairs, is_stream=page.is_stream)
            throttle.hold_back(connection, wish.worker_id, admitted)
        milestones.reached("claim.after_commit")
        go = set(admitted.go)
        return Claimed(page, self._compose([each for each in page.claims if each.row.id in go]), admitted.rest)


class _Ours(Executor):
    """Does what it is asked at once."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future
