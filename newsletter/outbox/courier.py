"""Couriers: threads that talk to the next hop, one connection each, and decide nothing.

A courier asks for every body (Asked) and tells every end (Told) through one queue, whose reader commits what all of
them made ready together. At any instant at most one message per courier is in doubt.
"""

import queue
import threading
from dataclasses import dataclass, field

import structlog

from newsletter import settings
from newsletter.outbox import ledger
from newsletter.outbox.composers import Wire
from newsletter.outbox.replies import Reply
from newsletter.outbox.transports.session import Envelope, Ready, Session, Transport

log = structlog.get_logger()

GATE = "gate"  # the phase of a parcel that was not given leave: its row is the gatekeeper's


@dataclass(frozen=True)
class Parcel:
    """A claimed message and its bytes."""

    claim: ledger.Claim
    wire: Wire

    @property
    def envelope(self) -> Envelope:
        return Envelope(self.wire.sender, self.claim.row.address, len(self.wire.content))


@dataclass(frozen=True)
class Asked:
    """The server waits for this body: may it be written? `answer` is waited for."""

    parcel: Parcel
    answer: "queue.SimpleQueue[bool]" = field(default_factory=queue.SimpleQueue)


@dataclass(frozen=True)
class Told:
    """What came of a parcel."""

    parcel: Parcel
    reply: Reply


class Crew:
    """Some couriers at work; used from one thread."""

    def __init__(self, transport: Transport, size: int) -> None:
        self.news: queue.SimpleQueue[Asked | Told] = queue.SimpleQueue()
        self._parcels: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._couriers = [_Courier(transport, self._parcels, self.news) for _ in range(size)]
        for courier in self._couriers:
            courier.start()

    def deliver(self, parcel: Parcel) -> None:
        """Give a parcel to a courier that is free."""
        self._parcels.put(parcel)

    def break_off(self) -> None:
        """Cut all connections: whoever waits for a reply is told at once that there is none."""
        for courier in self._couriers:
            courier.break_off()

    def dismiss(self, *, within: float) -> None:
        """Let the couriers take leave of their servers and end."""
        for _ in self._couriers:
            self._parcels.put(None)
        for courier in self._couriers:
            courier.join(within)


class _Courier(threading.Thread):
    def __init__(
        self,
        transport: Transport,
        parcels: "queue.SimpleQueue[Parcel | None]",
        news: "queue.SimpleQueue[Asked | Told]",
    ) -> None:
        super().__init__(name="courier", daemon=True)
        self._transport = transport
        self._parcels = parcels
        self._news = news
        self._session: Session | None = None
        self._delivered = 0  # over the present session
        self._is_broken_off = False

    def run(self) -> None:
        idle = settings.current().idle_session.total_seconds()
        while True:
            try:
                parcel = self._parcels.get(timeout=idle if self._session else None)
            except queue.Empty:
                self._leave()
                continue
            if parcel is None:
                self._leave()
                return
            self._deliver(parcel)

    def break_off(self) -> None:
        self._is_broken_off = True
        if self._session is not None:
            self._session.drop()

    def _deliver(self, parcel: Parcel) -> None:
        phase = "data"
        try:
            answer = self._offer(parcel.envelope)
            if isinstance(answer, Ready):
                asked = Asked(parcel)
                self._news.put(asked)
                if not asked.answer.get() or self._is_broken_off:
                    # No dot: what the server has by now is no message.
                    self._leave(abruptly=True)
                    answer = Reply(GATE, None)
                else:
                    phase = "dot"
                    answer = self._hand_over(parcel)
        except Exception:
            # A fault of ours must not take the thread along; the phase keeps the outcome honest.
            log.exception("courier_failed", message_id=parcel.claim.row.id)
            self._leave(abruptly=True)
            answer = Reply(phase, None, "the program failed while delivering")
        self._news.put(Told(parcel, answer))

    def _offer(self, envelope: Envelope) -> Ready | Reply:
        while True:
            if self._session is None:
                opened = self._transport.open()
                if isinstance(opened, Reply):
                    return opened
                self._session, self._delivered = opened, 0
            answer = self._session.offer(envelope)
            if isinstance(answer, Ready) or not answer.is_lost:
                return answer
            was_used = self._delivered > 0
            self._leave(abruptly=True)
            if not was_used or self._is_broken_off:
                return answer
            # Servers close after a number of messages, or of idle seconds: no failure, connect again.

    def _hand_over(self, parcel: Parcel) -> Reply:
        assert self._session is not None  # noqa: S101 - for the type checker: it is ready
        reply = self._session.hand_over(parcel.wire.content)
        self._delivered += 1
        if reply.is_lost:
            self._leave(abruptly=True)
        return reply

    def _leave(self, *, abruptly: bool = False) -> None:
        session, self._session = self._session, None
        if session is not None:
            if abruptly:
                session.drop()
            session.close()
