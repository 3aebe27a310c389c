"""The drain: claims due messages, has them composed, and has committed what the couriers ask and tell.

While one round is on its way into the database the connections are served, and make the next one; the next page is made
beside them. Whatever else is done on the database waits until no round is on its way, and no transaction is open while
anything is composed.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator

import structlog
from sqlalchemy import Engine

from newsletter import db, errors, milestones, settings
from newsletter.outbox import claiming, composers, ledger, recording, settling, throttle, workers
from newsletter.outbox.drafts import UNREACHABLE, Drafts
from newsletter.outbox.host import Host
from newsletter.outbox.ledger import Claim
from newsletter.outbox.pace import Pace
from newsletter.outbox.parcels import Asked, Parcel, Told, Transport
from newsletter.outbox.replies import Fate, Reply, Verdict, classify
from newsletter.outbox.watch import Watch

log = structlog.get_logger()

_PACE_TIME = 1.0  # seconds between two words to the limits all workers share
_DATABASE_PATIENCE = 30.0  # seconds without a database that end `until_empty`
_CUT_TIME = 3.0  # seconds that cut connections have to tell so


class Drain:
    """One delivery process at work. `trouble` says why `run` ended before everything due had left, if it did."""

    def __init__(
        self, engine: Engine, transport: Transport, *, compose: composers.Composer = composers.compose
    ) -> None:
        self._engine = engine
        self._transport = transport
        self._settings = settings.current()
        self._share = self._settings.round_share
        self._linger_most = self._settings.round_linger.total_seconds()
        self._host = Host()
        self._watch = Watch(engine)
        self._recorder = recording.Recorder(engine)
        self._pace = Pace()
        self._counts: Counter[str] = Counter()
        # A message's way through here: claimed and drafted, in flight, into the next round, and that into the database.
        self._drafts = Drafts(compose)
        self._claims = claiming.Claims(engine, self._drafts.compose, self._pace)
        self._in_flight: set[Parcel] = set()
        self._round = recording.Round()
        self._round_since = 0.0
        self._writing: recording.Writing | None = None
        self._is_again = False
        self._commit_time = 0.0
        self._on_trial: set[int] = set()
        self._worker_id = 0
        self._last_run = 0
        self._page = 4 * self._settings.connections
        self._claimed_at, self._beat_at = time.monotonic(), float("-inf")
        self._paced_at = self._rests_until = 0.0
        self._may_be_more = self._is_unswept = True
        self._is_cut = False
        self._database_lost_at: float | None = None
        self.trouble = ""

    def run(self, *, until_empty: bool, stop: threading.Event) -> Counter[str]:
        """Deliver until `stop`, or (until_empty) until nothing is due and no live worker holds a claim.

        A deferred message is not waited for. Returns how many messages went to which state. Owns its transactions.
        """
        self._courier = self._transport.courier()
        try:
            while not stop.is_set():
                try:
                    if self._turn() and until_empty and self._is_over():
                        break
                except workers.WorkerDead:
                    self._begin_anew()
                except UNREACHABLE as error:
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
        self._listen()
        self._record()
        self._beat()
        if not self._may_be_more and self._watch.is_worth_a_look():
            self._may_be_more = self._is_anything_due()
        self._take_claimed()
        if self._may_claim():
            self._claim()
            self._take_claimed()
        self._hand_out()
        return not (self._has_in_hand() or self._may_be_more)

    # Words of the couriers

    def _listen(self) -> None:
        """Take in what the couriers have to say; lingering a little once one spoke saves commits."""
        was_empty = not self._round
        for event in self._courier.listen(self._patience(), also=self._on_their_way()):
            self._take_in(event)
        if was_empty and self._round:
            self._round_since = time.monotonic()

    def _on_their_way(self) -> list[int]:
        """The files that say that the database did what it was asked to."""
        page = self._claims.fileno if self._claims.is_under_way else None
        one = self._writing.fileno if self._writing else None
        return [file for file in (page, one) if file is not None]

    def _patience(self) -> float:
        """How long to wait for a word: not at all while there is other work."""
        if self._may_claim() or (self._drafts and self._courier.wants(self._host.connections) > 0):
            return 0.0
        if self._round and self._writing is None:
            return max(self._lingers(), self._recorder.rests)
        return self._settings.outbox_poll.total_seconds()

    def _lingers(self) -> float:
        """How long the next round waits for connections that have not asked for a body yet, and are about to."""
        at_work = min(self._host.connections, len(self._in_flight))
        if self._is_again or len(self._round.asked) >= at_work * self._share:
            return 0.0
        worth_waiting = min(self._settings.round_commits * self._commit_time, self._linger_most)
        return max(0.0, self._round_since + worth_waiting - time.monotonic())

    def _take_in(self, event: Asked | Told) -> None:
        claim = event.parcel.claim
        if isinstance(event, Asked):
            self._host.reached()
            self._round.asked.append(event.parcel)
            return
        self._in_flight.discard(event.parcel)
        verdict = classify(event.reply)
        self._pace.heard(claim.domain, event.reply)
        if verdict.fate is not Fate.SENT:
            self._judge_host(event.reply, verdict)
            self._on_trial.add(claim.run_id)
        elif event.reply.phase == "dot":
            milestones.reached("reply.before_commit")
        self._settle(claim, event.reply, verdict)

    def _judge_host(self, reply: Reply, verdict: Verdict) -> None:
        is_hosts = reply.phase in settling.HOST_PHASES and verdict.fate is Fate.SENDERS_FAULT
        if is_hosts or verdict.fate is Fate.NOT_SENT:
            others_work = reply.phase == "connect" and self._is_anybody_asking()
            self._host.failed(str(reply) or verdict.why, others_work=others_work)
            log.warning("relay_failed", phase=reply.phase, code=reply.code, failures=self._host.failures)
        elif reply.phase == "rcpt":
            self._host.reached()

    def _is_anybody_asking(self) -> bool:
        """Whether a connection waits for leave to hand a body over."""
        return bool(self._round.asked or (self._writing and self._writing.round.asked))

    def _settle(self, claim: Claim, reply: Reply, verdict: Verdict) -> None:
        settlement = settling.Settlement(claim.row.id, claim.run_id, reply, verdict, is_ours=self._is_cut)
        self._round.ended.append((claim, settlement))

    # The ledger

    def _record(self) -> None:
        """Have the next round committed, when none is on its way."""
        self._take_written(wait=False)
        if self._round and self._writing is None and not self._recorder.rests and not self._lingers():
            one, self._round = self._round, recording.Round()
            with self._kept(one):
                self._writing = self._recorder.begin(one, again=self._is_again, on_trial=self._on_trial)
            self._take_written(wait=False)

    def _take_written(self, *, wait: bool = True) -> None:
        """The round that was on its way is committed: only now do its bodies go."""
        if self._writing is None:
            return
        one = self._writing.round
        with self._kept(one):
            if not (wait or self._writing.is_over()):
                return
            recorded = self._writing.result()
        self._writing = None
        self._commit_time = recorded.seconds
        self._is_again, self._database_lost_at = False, None
        if one.asked:
            milestones.reached("intent.after_commit")
        if one.ended:
            milestones.reached("sent.after_commit")
        granted = [parcel for parcel in one.asked if parcel.claim.row.id in recorded.granted]
        denied = [parcel for parcel in one.asked if parcel.claim.row.id not in recorded.granted]
        self._in_flight.difference_update(denied)
        self._courier.answer(granted, denied)
        self._host.took(recorded.states["sent"], is_busy=bool(self._drafts))
        self._counts += recorded.states
        self._is_unswept = True
        for run_id in recorded.paused:
            log.warning("run_paused", run_id=run_id)
        self._let_go(recorded.stopped)
        self._tell_pace()

    @contextlib.contextmanager
    def _kept(self, one: recording.Round) -> Iterator[None]:
        """A round that could not be committed stays, and is tried again together with what has come since."""
        try:
            yield
        except UNREACHABLE:
            self._writing, self._round, self._is_again = None, one + self._round, True
            raise

    def _tell_pace(self) -> None:
        """Write down, once a second, whether somebody is to be served slower or faster."""
        if self._pace.has_news and time.monotonic() - self._paced_at >= _PACE_TIME:
            with self._engine.begin() as connection:
                self._pace.tell(connection)
            self._paced_at = time.monotonic()

    def _beat(self) -> None:
        """Say that we live, and sweep: at each heartbeat, and when our hands have become empty."""
        if time.monotonic() - self._beat_at < self._settings.worker_heartbeat.total_seconds():
            is_idle = not (self._has_in_hand() or self._may_be_more)
            if not (is_idle and self._is_unswept):
                return
        self._take_written()
        with self._engine.begin() as connection:
            if not self._worker_id:
                self._worker_id = workers.start(connection)
            workers.heartbeat(connection, self._worker_id)
            dead = workers.recover_dead(connection, by=self._worker_id)
            expired = ledger.expire(connection)
            finished = ledger.finish_runs(connection)
        if finished:
            milestones.reached("finish.after_commit")
        self._beat_at, self._is_unswept, self._database_lost_at = time.monotonic(), False, None
        self._counts["expired"] += expired
        if dead or finished:
            log.info("outbox_swept", dead_workers=dead, finished_runs=finished)

    def _is_anything_due(self) -> bool:
        with db.reading(), self._engine.connect() as connection:
            return ledger.is_anything_due(connection, composers.kinds())

    def _is_over(self) -> bool:
        """Whether nobody has anything left to do."""
        with db.reading(), self._engine.connect() as connection:
            return not (
                ledger.is_anything_held(connection)
                or ledger.is_anything_due(connection, composers.kinds())
                or throttle.is_anything_waiting(connection)
            )

    # Claims to parcels

    def _may_claim(self) -> bool:
        if self._claims.is_under_way or not self._may_be_more:
            return False
        # While the next page is made, a quarter of this one is still to leave.
        has_room = len(self._drafts) < max(self._settings.connections, self._page // 4) and self._host.connections > 0
        return has_room and time.monotonic() >= self._rests_until

    def _claim(self) -> None:
        in_hand = None
        if self._claims.is_in_doubt:
            self._take_written()
            in_hand = self._ids_in_hand()
        most = self._pace.page(self._page)
        self._claims.begin(claiming.Wish(self._worker_id, self._last_run, most, in_hand))

    def _take_claimed(self) -> None:
        """The page that was on its way is claimed and composed."""
        if not self._claims.is_over:
            return
        claimed = self._claims.result()
        page, self._database_lost_at = claimed.page, None
        self._may_be_more = not page.is_empty
        self._rests_until = time.monotonic() + claimed.rest.total_seconds()
        self._counts["skipped"] += page.skipped
        if page.claims:
            self._last_run = page.claims[0].run_id
            (self._on_trial.add if page.is_on_trial else self._on_trial.discard)(self._last_run)
            self._suit_page()
            self._drafts.add(claimed.drafts)

    def _suit_page(self) -> None:
        """Pages that leave in about `claim_time`."""
        took, self._claimed_at = time.monotonic() - self._claimed_at, time.monotonic()
        larger = min(self._page * 2, self._settings.claim_page)
        smaller = max(self._page // 2, self._settings.connections)
        most = self._settings.claim_time.total_seconds()
        self._page = larger if took < most / 2 else smaller if took > most else self._page

    def _hand_out(self) -> None:
        """Write what the couriers want next, and give it to them."""
        # Asked even when there is nothing to write: what is to go again waits to hear that the host rests no longer.
        for _ in range(self._courier.wants(self._host.connections)):
            if not self._drafts:
                return
            try:
                claim, written = self._drafts.write()
            except errors.Damaged as error:
                # It would hit everybody of this edition: they wait, and nobody loses the mail.
                self._stop(self._drafts.first().run_id, error.message)
                continue
            if isinstance(written, composers.Skipped):
                self._skip(claim, written)
            else:
                parcel = Parcel(claim, written)
                self._in_flight.add(parcel)
                self._courier.carry(parcel)

    def _skip(self, claim: Claim, skipped: composers.Skipped) -> None:
        if not self._round:
            self._round_since = time.monotonic()
        self._settle(claim, Reply("compose", None, skipped.reason), Verdict(Fate.SKIPPED, skipped.reason))
        most = self._settings.breaker_unwritten
        if self._drafts.unwritten[claim.run_id] >= most:
            # Many in a row are a fault of the issue, not of its readers.
            self._drafts.unwritten[claim.run_id] = 0
            self._stop(claim.run_id, f"{most} messages in a row {skipped.reason}.")

    def _stop(self, run_id: int, reason: str) -> None:
        """Pause a run for what we found, and give back what is in hand of it; a stream goes on."""
        self._take_written()
        with self._engine.begin() as connection:
            is_paused = settling.pause(connection, run_id, reason)
            is_stopped = is_paused or bool(ledger.not_running(connection, [run_id]))
        if is_stopped:
            log.warning("run_paused", run_id=run_id)
            self._let_go({run_id})

    # What is in hand

    def _has_in_hand(self) -> bool:
        return bool(self._drafts or self._in_flight or self._round or self._writing or self._claims.is_under_way)

    def _ids_in_hand(self) -> list[int]:
        # No round is on its way when this is asked.
        flying = (parcel.claim.row.id for parcel in self._in_flight)
        return [*self._drafts.ids(), *(claim.row.id for claim, _ in self._round.ended), *flying]

    def _let_go(self, run_ids: Collection[int]) -> None:
        """Give back what is in hand of runs that were stopped."""
        if run_ids:
            with self._engine.begin() as connection:
                self._counts["skipped"] += ledger.turn_back(connection, self._worker_id, self._drafts.ids(run_ids))
            self._drafts.drop(run_ids)

    def _begin_anew(self) -> None:
        """We were silent for too long and given up: what we held is others', and nothing of it may leave here."""
        log.warning("worker_begins_anew", worker_id=self._worker_id)
        self._claims.abandon()
        self._drafts.clear()
        self._in_flight.difference_update(self._courier.withdraw())
        self._worker_id, self._beat_at, self._may_be_more = 0, float("-inf"), True

    def _wait_for_database(self, error: Exception, stop: threading.Event, *, is_in_hurry: bool) -> None:
        """Nothing leaves without the ledger: wait, and go on where we were."""
        now = time.monotonic()
        self._database_lost_at = self._database_lost_at or now
        log.error("database_unreachable", reason=str(error.__cause__ or error))
        if is_in_hurry and now - self._database_lost_at > _DATABASE_PATIENCE:
            self.trouble = f"The database cannot be reached or written: {error.__cause__ or error}."
        stop.wait(min(2.0, 0.1 + (now - self._database_lost_at) / 2))

    # The end

    def _end(self) -> None:
        """Finish what is in flight, give back the rest; whoever does not answer in time is cut off."""
        self._claims.abandon()
        self._claims.close()
        self._drafts.clear()
        self._in_flight.difference_update(self._courier.withdraw())
        self._finish_flights(self._settings.stop_time.total_seconds())
        if self._in_flight:
            self._is_cut = True
            self._courier.break_off()
            self._finish_flights(_CUT_TIME)
        self._courier.close()
        self._recorder.close()
        self._watch.close()
        try:
            with self._engine.begin() as connection:
                workers.end(connection, self._worker_id)
                finished = ledger.finish_runs(connection)
            if finished:
                milestones.reached("finish.after_commit")
        except UNREACHABLE:
            # Whoever comes next finds a silent worker, and does the same for it.
            log.exception("worker_not_ended", worker_id=self._worker_id)

    def _finish_flights(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (self._in_flight or self._round or self._writing) and time.monotonic() < deadline:
            try:
                self._listen()
                self._record()
            except UNREACHABLE as error:
                log.error("database_unreachable", reason=str(error.__cause__ or error))
                time.sleep(0.2)
