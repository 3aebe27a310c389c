"""Claimed messages between their composer and the courier, each written when it is wanted."""

import functools
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from newsletter import errors
from newsletter.outbox import composers
from newsletter.outbox.composers import Skipped, Wire
from newsletter.outbox.ledger import Claim

log = structlog.get_logger()

Drafted = tuple[Claim, composers.Draft | Skipped]

UNREACHABLE = (OperationalError, InterfaceError)  # the database, not a message, is the trouble


class Drafts:
    """A queue of drafts; `unwritten` counts the messages in a row that could not be composed, by run."""

    def __init__(self, compose: composers.Composer) -> None:
        self._compose = compose
        self._waiting: deque[Drafted] = deque()
        self.unwritten: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def compose(self, claims: Sequence[Claim]) -> list[Drafted]:
        """Have a page composed; when that fails, each message alone once it is wanted, so that one stops no other.

        Changes nothing here, and may be called beside anything else.
        """
        if not claims:
            return []
        try:
            drafts = self._compose([claim.row for claim in claims])
        except Exception:
            log.exception("page_not_composed", messages=len(claims))
            drafts = [functools.partial(self._compose_alone, claim.row) for claim in claims]
        return list(zip(claims, drafts, strict=True))

    def add(self, drafted: Iterable[Drafted]) -> None:
        """Put a composed page behind what waits."""
        self._waiting.extend(drafted)

    def first(self) -> Claim:
        """Whose draft is written next."""
        return self._waiting[0][0]

    def write(self) -> tuple[Claim, Wire | Skipped]:
        """Write the next message. Raises Damaged, or one of UNREACHABLE, and it stays the next."""
        claim, draft = self._waiting[0]
        try:
            written = draft if isinstance(draft, Skipped) else draft()
        except (errors.Damaged, *UNREACHABLE):
            raise
        except Exception as error:
            # One reader's message that cannot be written is no reason to stop the others.
            log.exception("message_not_composed", message_id=claim.row.id)
            self.unwritten[claim.run_id] += 1
            written = Skipped(f"could not be composed: {type(error).__name__}: {error}")
        if isinstance(written, Wire):
            self.unwritten[claim.run_id] = 0
        self._waiting.popleft()
        return claim, written

    def ids(self, run_ids: Collection[int] | None = None) -> list[int]:
        """The messages waiting here, of these runs or of all."""
        return [claim.row.id for claim, _ in self._waiting if run_ids is None or claim.run_id in run_ids]

    def drop(self, run_ids: Collection[int]) -> None:
        """Forget what waits here of these runs."""
        self._waiting = deque(each for each in self._waiting if each[0].run_id not in run_ids)

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()

    def _compose_alone(self, row: composers.Row) -> Wire | Skipped:
        (draft,) = self._compose([row])
        return draft if isinstance(draft, Skipped) else draft()
