"""The drain: claims due messages, has them composed, and commits what the couriers ask and tell.

All work on the database is done here, by one thread, and no transaction is open while anything is composed or sent.
"""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Collection

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from newsletter import db, settings
from newsletter.outbox import composers, ledger, recording, settling, workers
from newsletter.outbox.courier import GATE, Asked, Crew, Parcel, Told
from newsletter.outbox.host import Host
from newsletter.outbox.replies import Fate, Reply, Verdict, classify
from newsletter.outbox.transports.session import Transport
from newsletter.outbox.watch import Watch

log = structlog.get_logger()

Compose = composers.Composer

_UNREACHABLE = (OperationalError, InterfaceError)  # the database, not a message, is the trouble
_PAGE_TIME = 1.0  # a page leaves in about this many seconds: a confirmation waits no longer behind an issue
_COMMIT_TIME_MOST = 0.02  # seconds: a slow disk is no reason to dawdle
_DATABASE_PATIENCE = 30.0  # seconds without a database that end `until_empty`
_CUT_TIME = 3.0  # seconds that cut connections have to tell so


class Drain:
    """One delivery process at work. `trouble` says why `run` ended before everything due had left, if it did."""

    def __init__(self, engine: Engine, transport: Transport, *, compose: Compose = composers.compose) -> None:
        self._engine = engine
        self._transport = transport
        self._compose = compose
        self._settings = settings.current()
        self._host = Host()
        self._watch = Watch(engine)
        self._counts: Counter[str] = Counter()
        # A message's way through here: claimed, composed, in flight, and into the round that is committed next.
        self._claims: deque[ledger.Claim] = deque()
        self._parcels: deque[Parcel] = deque()
        self._in_flight = 0
        self._round = recording.Round()
        self._asked: list[Asked] = []
        self._is_again = False
        self._commit_time = 0.0
        self._worker_id = 0
        self._last_run = 0
        self._page = self._settings.connections
        self._claimed_at, self._beat_at = time.monotonic(), float("-inf")
        self._may_be_more = self._is_unswept = True
        self._is_cut = False
        self._unwritten: Counter[int] = Counter()
        self._database_lost_at: float | None = None
        self.trouble = ""

    def run(self, *, until_empty: bool, stop: threading.Event) -> Counter[str]:
        """Deliver until `stop`, or (until_empty) until nothing is due and no live worker holds a claim.

        A deferred message is not waited for. Returns how many messages went to which state. Owns its transactions.
        """
        self._crew = Crew(self._transport, self._settings.connections)
        try:
            while not stop.is_set():
                try:
                    if self._turn() and until_empty and self._is_over():
                        break
                except workers.WorkerDead:
                    self._begin_anew()
                except _UNREACHABLE as error:
                    self._wait_for_database(error, stop, is_in_hurry=until_empty)
                if until_empty and self._host.is_given_up:
                    self.trouble = f"The mail server cannot be used: {self._host.said}."
                if self.trouble:
                    break
        finally:
            self._end()
        # What went back to the queue goes on from there.
        return Counter({state: count for state, count in self._counts.items() if count and state != "queued"})

    def _turn(self) -> bool:
        """One round of everything; True when there was nothing to do."""
        if not self._may_be_more and self._watch.is_worth_a_look():
            self._may_be_more = self._is_anything_due()
        self._listen(wait=not (self._can_compose() or self._may_claim()))
        self._record()
        self._beat()
        self._hand_out()
        if self._can_compose():
            self._compose_next()
        elif self._may_claim():
            self._claim()
        return not (self._has_in_hand() or self._may_be_more)

    def _listen(self, *, wait: bool) -> None:
        """Take in what the couriers have to say. A little waiting for the others, once one spoke, saves commits."""
        patience = self._settings.outbox_poll.total_seconds() if wait and self._round.is_empty else 0.0
        deadline, lingers_until = time.monotonic() + patience, float("inf")
        while (news := self._next_news(min(deadline, lingers_until))) is not None:
            self._take_in(news)
            self._hand_out()
            lingers_until = min(lingers_until, time.monotonic() + self._commit_time / 4)
            deadline = lingers_until if len(self._asked) < self._in_flight else 0.0

    def _next_news(self, deadline: float) -> Asked | Told | None:
        try:
            return self._crew.news.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def _take_in(self, news: Asked | Told) -> None:
        claim = news.parcel.claim
        if isinstance(news, Asked):
            self._host.reached()
            self._asked.append(news)
            self._round.asked.append(claim)
            return
        self._in_flight -= 1
        if news.reply.phase != GATE:
            verdict = classify(news.reply)
            self._judge_host(news.reply, verdict)
            self._settle(claim, news.reply, verdict)

    def _judge_host(self, reply: Reply, verdict: Verdict) -> None:
        is_hosts = reply.phase in settling.HOST_PHASES and verdict.fate is Fate.SENDERS_FAULT
        if is_hosts or verdict.fate is Fate.NOT_SENT:
            self._host.failed(str(reply) or verdict.why)
            log.warning("relay_failed", phase=reply.phase, code=reply.code, failures=self._host.failures)
        elif reply.phase == "rcpt":
            self._host.reached()

    def _settle(self, claim: ledger.Claim, reply: Reply, verdict: Verdict) -> None:
        settlement = settling.Settlement(claim.row.id, claim.run_id, reply, verdict, is_ours=self._is_cut)
        self._round.ended.append((claim, settlement))

    def _record(self) -> None:
        """Commit the round; only then do bodies go. A round that could not be committed stays, and is tried again."""
        if self._round.is_empty:
            return
        is_again, self._is_again, began = self._is_again, True, time.monotonic()
        recorded = recording.record(self._engine, self._round, again=is_again)
        self._commit_time = min(time.monotonic() - began, _COMMIT_TIME_MOST)
        self._is_again, self._database_lost_at = False, None
        for asked in self._asked:
            asked.answer.put(asked.parcel.claim.row.id in recorded.granted)
        self._asked, self._round = [], recording.Round()
        self._counts += recorded.states
        self._is_unswept = True
        for run_id in recorded.paused:
            log.warning("run_paused", run_id=run_id)
        self._let_go(recorded.stopped)

    def _beat(self) -> None:
        """Say that we live, and sweep: at each heartbeat, and when our hands have become empty."""
        if time.monotonic() - self._beat_at < self._settings.worker_heartbeat.total_seconds():
            is_idle = not (self._has_in_hand() or self._may_be_more)
            if not (is_idle and self._is_unswept):
                return
        with self._engine.begin() as connection:
            if not self._worker_id:
                self._worker_id = workers.start(connection)
            workers.heartbeat(connection, self._worker_id)
            dead = workers.recover_dead(connection)
            expired = ledger.expire(connection)
            finished = ledger.finish_runs(connection)
        self._beat_at, self._is_unswept, self._database_lost_at = time.monotonic(), False, None
        self._counts["expired"] += expired
        if dead or finished:
            log.info("outbox_swept", dead_workers=dead, finished_runs=finished)

    def _hand_out(self) -> None:
        while self._parcels and self._in_flight < self._host.connections:
            self._in_flight += 1
            self._crew.deliver(self._parcels.popleft())

    def _can_compose(self) -> bool:
        return bool(self._claims) and len(self._parcels) < self._settings.connections

    def _compose_next(self) -> None:
        claim = self._claims.popleft()
        try:
            draft = self._compose([claim.row])[0]
            composed = draft if isinstance(draft, composers.Skipped) else draft()
        except _UNREACHABLE:
            self._claims.appendleft(claim)
            raise
        except Exception as error:
            # One reader's message that cannot be written is no reason to stop the others.
            log.exception("message_not_composed", message_id=claim.row.id)
            composed = composers.Skipped(f"could not be composed: {type(error).__name__}: {error}")
            self._unwritten[claim.run_id] += 1
        else:
            self._unwritten[claim.run_id] = 0
        if isinstance(composed, composers.Skipped):
            self._settle(claim, Reply("compose", None, composed.reason), Verdict(Fate.SKIPPED, composed.reason))
            self._stop_unwritten(claim.run_id, composed.reason)
        else:
            self._parcels.append(Parcel(claim, composed))

    def _stop_unwritten(self, run_id: int, reason: str) -> None:
        """... but many in a row are a fault of the issue, not of its readers."""
        most = self._settings.breaker_unwritten
        if self._unwritten[run_id] >= most:
            with self._engine.begin() as connection:
                is_paused = settling.pause(connection, run_id, f"{most} messages in a row {reason}.")
            self._unwritten[run_id] = 0
            self._let_go({run_id} if is_paused else set())

    def _may_claim(self) -> bool:
        has_room = not self._claims and len(self._parcels) < self._settings.connections
        return self._may_be_more and has_room and self._host.connections > 0

    def _claim(self) -> None:
        kinds = composers.kinds()
        with self._engine.begin() as connection:
            page = ledger.claim(connection, self._worker_id, kinds, after_run=self._last_run, limit=self._page)
        self._database_lost_at = None
        self._may_be_more = not page.is_empty
        self._counts["skipped"] += page.skipped
        self._claims.extend(page.claims)
        if page.claims:
            self._last_run = page.claims[0].run_id
            took, self._claimed_at = time.monotonic() - self._claimed_at, time.monotonic()
            larger = min(self._page * 2, self._settings.claim_page)
            smaller = max(self._page // 2, self._settings.connections)
            self._page = larger if took < _PAGE_TIME / 2 else smaller if took > _PAGE_TIME else self._page

    def _is_anything_due(self) -> bool:
        with db.reading(), self._engine.connect() as connection:
            return ledger.is_anything_due(connection, composers.kinds())

    def _has_in_hand(self) -> bool:
        return bool(self._claims or self._parcels or self._in_flight or not self._round.is_empty)

    def _is_over(self) -> bool:
        """Whether nobody has anything left to do."""
        with db.reading(), self._engine.connect() as connection:
            is_held = ledger.is_anything_held(connection)
            return not is_held and not ledger.is_anything_due(connection, composers.kinds())

    def _let_go(self, run_ids: Collection[int]) -> None:
        """Give back what is in hand of runs that were stopped."""
        ids = [claim.row.id for claim in self._in_hand() if claim.run_id in run_ids]
        if ids:
            with self._engine.begin() as connection:
                self._counts["skipped"] += ledger.turn_back(connection, self._worker_id, ids)
            self._claims = deque(claim for claim in self._claims if claim.run_id not in run_ids)
            self._parcels = deque(parcel for parcel in self._parcels if parcel.claim.run_id not in run_ids)

    def _in_hand(self) -> list[ledger.Claim]:
        return [*self._claims, *(parcel.claim for parcel in self._parcels)]

    def _begin_anew(self) -> None:
        """We were silent for too long and given up: what we held is others', and nothing of it may leave here."""
        log.warning("worker_begins_anew", worker_id=self._worker_id)
        self._claims.clear()
        self._parcels.clear()
        self._worker_id, self._beat_at, self._may_be_more = 0, float("-inf"), True

    def _wait_for_database(self, error: Exception, stop: threading.Event, *, is_in_hurry: bool) -> None:
        """Nothing leaves without the ledger: wait, and go on where we were."""
        now = time.monotonic()
        self._database_lost_at = self._database_lost_at or now
        log.error("database_unreachable", reason=str(error.__cause__ or error))
        if is_in_hurry and now - self._database_lost_at > _DATABASE_PATIENCE:
            self.trouble = f"The database cannot be reached or written: {error.__cause__ or error}."
        stop.wait(min(2.0, 0.1 + (now - self._database_lost_at) / 2))

    def _end(self) -> None:
        """Finish what is in flight, give back the rest; whoever does not answer in time is cut off."""
        self._parcels.clear()
        self._claims.clear()
        self._finish_flights(self._settings.stop_time.total_seconds())
        if self._in_flight:
            self._is_cut = True
            self._crew.break_off()
            self._finish_flights(_CUT_TIME)
        for asked in self._asked:
            asked.answer.put(False)
        self._crew.dismiss(within=1.0)
        self._watch.close()
        try:
            with self._engine.begin() as connection:
                workers.end(connection, self._worker_id)
                ledger.finish_runs(connection)
        except _UNREACHABLE:
            # Whoever comes next finds a silent worker, and does the same for it.
            log.exception("worker_not_ended", worker_id=self._worker_id)

    def _finish_flights(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (self._in_flight or not self._round.is_empty) and time.monotonic() < deadline:
            try:
                self._listen(wait=True)
                self._record()
            except _UNREACHABLE as error:
                log.error("database_unreachable", reason=str(error.__cause__ or error))
                time.sleep(0.2)
