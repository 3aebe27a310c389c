"""The loop: one selector drives all SMTP connections of a process, each with its dialogue.

Opening a connection (DNS, TLS, login) blocks, so a thread of its own does it and hands over the socket.
"""

import contextlib
import queue
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from newsletter import milestones
from newsletter.outbox.dialogue import QUIT, Dialogue
from newsletter.outbox.parcels import Asked, Parcel, Told
from newsletter.outbox.replies import Reply
from newsletter.outbox.transports.opening import Opened

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_CHUNK = 4_096  # bytes: replies are short, and a larger buffer is made and thrown away for each
# A digest and the envelope behind it leave in one call.
_SEND_BUFFER = 262_144
_LEAVE_TIME = 1.0  # seconds a server has to answer QUIT
_CLOCK = 0.05  # seconds between two looks at the deadlines

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True)
class Habits:
    """How a courier speaks: its deadlines (for each command, for the dot), when it leaves an idle server."""

    command_time: timedelta
    dot_time: timedelta
    idle_time: timedelta
    may_pipeline: bool = True


@dataclass(eq=False)
class _Connection:
    """One connection, from the moment its opening began; `parcels` are assigned to it and not offered yet."""

    opened: Opened | None = None
    dialogue: Dialogue = field(default_factory=lambda: Dialogue({}))
    parcels: deque[Parcel] = field(default_factory=deque)
    owed: tuple[str, int] = ("", 0)
    deadline: float = float("inf")
    is_writing: bool = False
    is_leaving: bool = False

    @property
    def is_idle(self) -> bool:
        return self.opened is not None and not self.parcels and self.dialogue.is_free


class Courier:
    """Carries parcels over connections that `open_connection` makes; see parcels.Courier for the promises."""

    def __init__(self, open_connection: Callable[[], Opened | Reply], habits: Habits) -> None:
        self._open_connection = open_connection
        self._habits = habits
        self._command_time = habits.command_time.total_seconds()
        self._times = {"": habits.idle_time.total_seconds(), "dot": habits.dot_time.total_seconds()}
        self._selector = selectors.DefaultSelector()
        self._connections: list[_Connection] = []
        self._leaving = 0  # how many of them take leave
        self._roomy: dict[_Connection, None] = {}  # of the others, those without a parcel that is yet to be offered
        self._where: dict[Parcel, _Connection] = {}
        self._again: deque[Parcel] = deque()  # offered on a connection the server closed in its turn
        self._news: list[Asked | Told] = []
        self._most = 0
        self._looked_at = 0.0
        self._is_closed = False
        self._callers: frozenset[int] = frozenset()  # files our caller waits for beside us
        self._is_called = False  # one of them is readable
        # Threads that opened a connection put it here and ring.
        self._opened: queue.SimpleQueue[tuple[_Connection, Opened | Reply]] = queue.SimpleQueue()
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._selector.register(self._bell, _READ, self._take_opened)

    def wants(self, connections: int) -> int:
        self._most = connections
        return max(0, len(self._roomy) + connections - self._staying - len(self._again))

    def carry(self, parcel: Parcel) -> None:
        connection = self._choose()
        connection.parcels.append(parcel)
        self._note_room(connection)
        self._where[parcel] = connection
        self._go_on(connection)

    def listen(self, seconds: float, *, also: Collection[int] = ()) -> list[Asked | Told]:
        self._offer_again()
        self._is_called = False
        until = time.monotonic() + (0.0 if self._news else seconds)
        self._be_called_by(frozenset(also))
        while True:
            self._take_turn(max(0.0, until - time.monotonic()))
            if self._news or self._is_called or time.monotonic() >= until:
                news, self._news = self._news, []
                return news

    def answer(self, granted: Iterable[Parcel], denied: Iterable[Parcel]) -> None:
        for parcel in granted:
            connection = self._where.get(parcel)
            if connection is not None:
                connection.dialogue.hand_over(parcel)
                if connection.parcels and connection.dialogue.is_pipelining:
                    self._offer(connection)
                self._flush(connection)
        for parcel in denied:
            if (connection := self._where.pop(parcel, None)) is not None:
                # Without its dot what the server has by now is no message (RFC 5321 4.1.1.4).
                connection.dialogue.lost("not given leave")
                self._drop(connection)

    def withdraw(self) -> list[Parcel]:
        back = list(self._again)
        self._again.clear()
        for connection in self._connections:
            back += connection.parcels
            connection.parcels.clear()
            self._note_room(connection)
        for parcel in back:
            self._where.pop(parcel, None)
        return back

    def break_off(self) -> None:
        for connection in list(self._connections):
            if connection.opened is None:
                self._fail(connection, Reply("connect", None, "we stopped"))
            else:
                self._lose(connection, "we stopped")

    def close(self) -> None:
        self._is_closed = True
        for connection in list(self._connections):
            self._leave(connection)
        until = time.monotonic() + _LEAVE_TIME
        while any(each.is_leaving for each in self._connections) and time.monotonic() < until:
            self._take_turn(0.05)
        for connection in list(self._connections):
            self._drop(connection)
        self._ring_out()
        self._selector.close()
        self._bell.close()
        self._ringer.close()

    # Parcels to connections

    def _choose(self) -> _Connection:
        """An idle connection, else a new one, else one that has nothing further to do after its present parcel."""
        idle = next((each for each in self._roomy if each.is_idle), None)
        if idle is not None:
            return idle
        if self._staying < max(self._most, 1):
            return self._begin()
        staying = (each for each in self._connections if not each.is_leaving)
        return next(iter(self._roomy), None) or min(staying, key=lambda each: len(each.parcels))

    @property
    def _staying(self) -> int:
        return len(self._connections) - self._leaving

    def _note_room(self, connection: _Connection) -> None:
        if connection.parcels or connection.is_leaving:
            self._roomy.pop(connection, None)
        else:
            self._roomy[connection] = None

    def _offer_again(self) -> None:
        while self._again and self._most:
            self.carry(self._again.popleft())

    def _offer(self, connection: _Connection) -> None:
        """Offer the next parcel that this server can be asked to take."""
        while connection.parcels:
            parcel = connection.parcels.popleft()
            self._note_room(connection)
            refusal = connection.dialogue.refusal(parcel)
            if refusal is None:
                connection.dialogue.offer(parcel)
                return
            self._tell(Told(parcel, refusal))

    def _go_on(self, connection: _Connection) -> None:
        if connection.opened is None or connection.is_leaving:
            return
        if connection.dialogue.is_free:
            self._offer(connection)
        self._flush(connection)

    def _tell(self, event: Asked | Told) -> None:
        if isinstance(event, Told):
            self._where.pop(event.parcel, None)
        self._news.append(event)

    # Connections

    def _begin(self) -> _Connection:
        connection = _Connection()
        self._connections.append(connection)
        self._note_room(connection)
        threading.Thread(target=self._open, args=(connection,), name="smtp-opening", daemon=True).start()
        return connection

    def _open(self, connection: _Connection) -> None:
        try:
            outcome = self._open_connection()
        except Exception as error:
            # A fault of ours must not leave parcels waiting for ever.
            outcome = Reply("connect", None, f"the program failed while connecting: {error}")
        self._opened.put((connection, outcome))
        if self._is_closed:
            self._ring_out()
        else:
            with contextlib.suppress(OSError):
                self._ringer.send(b"!")

    def _ring_out(self) -> None:
        """Close what was opened for nobody."""
        with contextlib.suppress(queue.Empty):
            while True:
                _, outcome = self._opened.get_nowait()
                if isinstance(outcome, Opened):
                    _close(outcome)

    def _take_opened(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.recv(_CHUNK)
        with contextlib.suppress(queue.Empty):
            while True:
                connection, outcome = self._opened.get_nowait()
                if isinstance(outcome, Reply):
                    self._fail(connection, outcome)
                elif connection not in self._connections:
                    _close(outcome)
                else:
                    self._take_over(connection, outcome)

    def _take_over(self, connection: _Connection, opened: Opened) -> None:
        opened.connected.setblocking(False)
        opened.connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        connection.opened = opened
        connection.dialogue = Dialogue(opened.extensions, may_pipeline=self._habits.may_pipeline)
        self._selector.register(opened.connected, _READ, connection)
        self._set_deadline(connection)
        self._go_on(connection)

    def _fail(self, connection: _Connection, reply: Reply) -> None:
        """It could not be opened: its parcels are told so."""
        self._forget(connection)
        for parcel in connection.parcels:
            self._tell(Told(parcel, reply))
        connection.parcels.clear()

    def _lose(self, connection: _Connection, why: str) -> None:
        self._take_in(connection, connection.dialogue.lost(why))

    def _drop(self, connection: _Connection) -> None:
        """Close a connection; what was assigned to it goes over another."""
        if not self._forget(connection):
            return
        self._again.extend(connection.parcels)
        connection.parcels.clear()
        if connection.opened is not None:
            self._selector.unregister(connection.opened.connected)
            _close(connection.opened)

    def _forget(self, connection: _Connection) -> bool:
        """Whether it was still known."""
        if connection not in self._connections:
            return False
        self._connections.remove(connection)
        self._leaving -= connection.is_leaving
        self._roomy.pop(connection, None)
        return True

    def _leave(self, connection: _Connection) -> None:
        """Say goodbye on a connection that has nothing to do."""
        if connection.is_idle and not connection.is_leaving:
            connection.is_leaving = True
            self._leaving += 1
            self._note_room(connection)
            connection.dialogue.quit()
            self._flush(connection)
            connection.deadline = time.monotonic() + _LEAVE_TIME

    # Bytes

    def _take_turn(self, seconds: float) -> None:
        for key, mask in self._selector.select(seconds):
            connection = key.data
            if not isinstance(connection, _Connection):
                # Nobody's connection: the bell, or what our caller waits for beside us.
                connection()
            elif mask & _READ:
                self._read(connection)
            else:
                self._flush(connection)
        now = time.monotonic()
        if now - self._looked_at >= _CLOCK:
            self._looked_at = now
            self._look_at_the_clock(now)

    def _be_called_by(self, files: frozenset[int]) -> None:
        if files != self._callers:
            for file in self._callers - files:
                self._selector.unregister(file)
            for file in files - self._callers:
                self._selector.register(file, _READ, self._be_called)
            self._callers = files

    def _be_called(self) -> None:
        self._is_called = True

    def _read(self, connection: _Connection) -> None:
        assert connection.opened is not None  # noqa: S101 - for the type checker: it is registered
        try:
            while data := connection.opened.connected.recv(_CHUNK):
                self._take_in(connection, connection.dialogue.receive(data))
                if connection.dialogue.is_over or not isinstance(connection.opened.connected, ssl.SSLSocket):
                    return
            self._lose(connection, "the mail server closed the connection")
        except _WOULD_BLOCK:
            return
        except OSError as error:
            self._lose(connection, _why(error))

    def _flush(self, connection: _Connection) -> None:
        assert connection.opened is not None  # noqa: S101 - for the type checker: callers saw to it
        dialogue, data = connection.dialogue, connection.dialogue.to_send()
        if data:
            try:
                count = connection.opened.connected.send(data)
            except _WOULD_BLOCK:
                count = 0
            except OSError as error:
                # What the server gave as its reason before it closed may still be there to read.
                self._read(connection)
                self._lose(connection, _why(error))
                return
            dialogue.sent(count)
            self._want_to_write(connection, is_writing=count < len(data))
            if dialogue.waits_for[0] == "dot":
                milestones.reached("body.half" if connection.is_writing else "dot.before_reply")
        self._set_deadline(connection)

    def _want_to_write(self, connection: _Connection, *, is_writing: bool) -> None:
        if connection.is_writing != is_writing and connection.opened is not None:
            connection.is_writing = is_writing
            self._selector.modify(connection.opened.connected, _READ | _WRITE if is_writing else _READ, connection)

    def _take_in(self, connection: _Connection, events: Iterable[Asked | Told]) -> None:
        for event in events:
            if isinstance(event, Told) and self._may_go_again(connection, event):
                self._where.pop(event.parcel, None)
                event.parcel.is_second_try = True
                self._again.append(event.parcel)
            else:
                self._tell(event)
        if connection.dialogue.is_over:
            self._drop(connection)
        elif connection.parcels or connection.owed != connection.dialogue.waits_for:
            self._go_on(connection)

    def _may_go_again(self, connection: _Connection, told: Told) -> bool:
        """Servers close after a number of messages, or of idle seconds: no failure, but a reason to connect again."""
        dialogue = connection.dialogue
        was_used = dialogue.is_over and dialogue.delivered > 0 and not self._is_closed
        # Once: a message that breaks every connection would else go round among them.
        return was_used and told.reply.is_lost and not (told.parcel.is_asked or told.parcel.is_second_try)

    # Time

    def _set_deadline(self, connection: _Connection) -> None:
        """One deadline a reply, however slowly it trickles; dialogues that owe nothing may be idle for a while."""
        owed = connection.dialogue.waits_for
        if owed == connection.owed and (owed[0] or connection.deadline != float("inf")):
            return
        connection.owed = owed
        connection.deadline = time.monotonic() + self._times.get(owed[0], self._command_time)

    def _look_at_the_clock(self, now: float) -> None:
        surplus = len(self._connections) - max(self._most, 1)
        for connection in list(self._connections):
            if connection.opened is None:
                continue
            if connection.deadline <= now and connection.owed[0] in ("", QUIT):
                self._leave(connection) if not connection.is_leaving else self._drop(connection)
            elif connection.deadline <= now:
                self._lose(connection, "the mail server did not answer in time")
            elif surplus > 0 and connection.is_idle:
                surplus -= 1
                self._leave(connection)


def _close(opened: Opened) -> None:
    for each in (opened.connected, opened.guard):
        with contextlib.suppress(OSError):
            each.close()


def _why(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
