"""The pace: limits hold for all workers together, a domain that pushes back is slowed, and nobody waits for ever."""

import heapq
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from newsletter import db
from newsletter.outbox import ledger, sql, throttle, workers
from newsletter.outbox.models import Throttle
from newsletter.outbox.pace import Pace
from newsletter.outbox.replies import Reply
from tests.conftest import both_engines

pytestmark = both_engines

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
SENT = Reply("dot", 250, "ok", "2.0.0")
FULL_BOX = Reply("rcpt", 452, "over quota", "4.2.2")
TOO_FAST = Reply("rcpt", 452, "slow down", "4.7.0")


class Time:
    """The database's clock and the workers' timers, moved by hand."""

    now = START

    def pass_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def timer(self) -> float:
        return (self.now - START).total_seconds()


@pytest.fixture
def fake_time(monkeypatch) -> Time:
    standing = Time()
    monkeypatch.setattr(sql, "database_time", lambda connection: standing.now)
    return standing


@contextmanager
def statements(engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def see(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", see)
    yield seen
    event.remove(engine, "before_cursor_execute", see)


def assert_kept(left: list[tuple[datetime, str]], rates: dict[str, float]) -> None:
    """In no window of a second, a minute or an hour more left than the limit and one burst."""
    for key, rate in rates.items():
        moments = sorted((at - START).total_seconds() for at, domain in left if key in ("", domain))
        for width in (1, 60, 3600):
            for place, begin in enumerate(moments):
                number = bisect_right(moments, begin + width) - place
                assert number <= rate * width + max(1.0, rate) + 1e-3, (key, width, begin)


@given(
    relay_rate=st.sampled_from([0.0, 0.5, 3.0, 12.5]),
    domain_rate=st.sampled_from([0.2, 1.0, 7.0, 30.0]),
    arrivals=st.lists(
        st.tuples(st.floats(0, 20), st.sampled_from(["a.example", "b.example"]), st.booleans(), st.integers(1, 25)),
        min_size=1,
        max_size=6,
    ),
    looks=st.lists(st.tuples(st.integers(0, 2), st.floats(0.0, 1.5), st.integers(1, 30)), min_size=5, max_size=5),
)
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
def test_three_workers_together_never_exceed_a_limit_and_everything_leaves(
    post_office, fake_time, relay_rate, domain_rate, arrivals, looks
):
    fake_time.now = START
    post_office.adjust(
        relay_rate=relay_rate, domain_rates=(f"a.example={domain_rate}",), pace_ahead=timedelta(seconds=20)
    )
    with post_office.engine.begin() as connection:
        connection.execute(Throttle.__table__.delete())
    paces, rests = [Pace(fake_time.timer) for _ in range(3)], [START] * 3
    rows = [
        (START + timedelta(seconds=delay), not is_stream, domain)
        for delay, domain, is_stream, number in arrivals
        for _ in range(number)
    ]
    waiting = [(at, number, is_issue, domain) for number, (at, is_issue, domain) in enumerate(rows)]
    heapq.heapify(waiting)
    left: list[tuple[datetime, str]] = []
    turn = 0
    while waiting:
        turn += 1
        assert turn < 5000, "somebody waits for ever"
        worker, delay, page = looks[turn % len(looks)]
        fake_time.now = max(fake_time.now + timedelta(seconds=delay), waiting[0][0], rests[worker])
        due = [row for row in waiting if row[0] <= fake_time.now]
        is_issue = min(row[2] for row in due)
        chosen = sorted(row for row in due if row[2] == is_issue)[: paces[worker].page(page)]
        with post_office.engine.begin() as connection:
            admitted = paces[worker].admit(connection, [(row[1], row[3]) for row in chosen], is_stream=not is_issue)
        assert sorted([*admitted.go, *admitted.wait, *admitted.back]) == sorted(row[1] for row in chosen)
        rests[worker] = fake_time.now + admitted.rest
        waiting = [row for row in waiting if row[1] not in {*admitted.go, *admitted.wait}]
        for number, at in admitted.wait.items():
            assert fake_time.now < at <= fake_time.now + timedelta(seconds=20)
            waiting.append((at, number, is_issue, rows[number][2]))
        heapq.heapify(waiting)
        left += [(fake_time.now, rows[number][2]) for number in admitted.go]
    assert len(left) == len(rows)
    assert_kept(left, {"a.example": domain_rate} | ({"": relay_rate} if relay_rate else {}))


def test_workers_at_the_same_moment_share_one_bucket(post_office):
    post_office.adjust(domain_rates=("a.example=40",))
    began, left = time.monotonic(), Counter()

    def work(number: int) -> None:
        pace = Pace()
        while time.monotonic() - began < 1.0:
            with post_office.engine.begin() as connection:
                left[number] += len(pace.admit(connection, [(each, "a.example") for each in range(10)]).go)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 40 <= left.total() <= 40 + 40 * (time.monotonic() - began)


def test_a_large_backlog_is_looked_at_about_once_a_token(post_office, fake_time):
    post_office.adjust(domain_rates=("a.example=10",))
    pace = Pace(fake_time.timer)
    with post_office.engine.begin() as connection:
        admitted = pace.admit(connection, [(each, "a.example") for each in range(9000)])
    assert len(admitted.go) == 10
    per_second = Counter(int((at - START).total_seconds()) for at in admitted.wait.values())
    assert max(per_second) <= 300
    # Each second of the five minutes has its ten turns; what lies beyond is spread over their second half.
    assert all(9 <= per_second[second] <= 11 for second in range(1, 149))
    assert all(40 <= per_second[second] <= 60 for second in range(151, 299))


def test_a_confirmation_passes_an_issue_that_waits_for_the_same_domain(post_office, fake_time):
    post_office.adjust(domain_rates=("a.example=1",))
    pace = Pace(fake_time.timer)
    issue = [(each, "a.example") for each in range(100)]
    with post_office.engine.begin() as connection:
        assert len(pace.admit(connection, issue).go) == 1
        asked = pace.admit(connection, [(1000, "a.example"), (1001, "a.example")], is_stream=True)
        assert [at - START for at in asked.wait.values()] == [timedelta(seconds=1), timedelta(seconds=2)]
        for second in (1, 2):
            fake_time.now = START + timedelta(seconds=second)
            assert not pace.admit(connection, issue).go
            assert pace.admit(connection, [(999 + second, "a.example")], is_stream=True).go == [999 + second]
        fake_time.pass_on(1.5)
        assert len(pace.admit(connection, issue).go) == 1


def test_a_storm_slows_its_domain_alone_and_is_forgotten_afterwards(post_office, fake_time):
    post_office.adjust(pace_forget=timedelta(seconds=120))
    paces = [Pace(fake_time.timer) for _ in range(3)]
    rates: dict[int, Counter[str]] = {}
    for second in range(200):
        fake_time.now = START + timedelta(seconds=second)
        is_storm = 20 <= second < 60
        gone = rates[second] = Counter()
        for pace in paces:
            claims = [(each, "big.example" if each % 2 else "small.example") for each in range(60)]
            with post_office.engine.begin() as connection:
                go = pace.admit(connection, claims).go
                for each in go:
                    domain = claims[each][1]
                    gone[domain] += 1
                    pace.heard(domain, TOO_FAST if is_storm and domain == "big.example" else SENT)
                pace.tell(connection)
    assert all(counts["small.example"] == 90 for counts in rates.values())
    assert rates[19]["big.example"] == 90
    assert sum(rates[second]["big.example"] for second in range(50, 60)) <= 20
    # Faster again by and by, and free when nothing was refused for long.
    recovering = [sum(rates[second + each]["big.example"] for each in range(10)) for second in (60, 90, 120)]
    assert recovering[0] < recovering[1] < recovering[2]
    assert rates[199]["big.example"] == 90
    fake_time.pass_on(1000)
    with post_office.engine.begin() as connection:
        assert throttle.sweep(connection) == 1
        assert connection.execute(select(Throttle.key)).all() == []


def test_a_few_refusals_or_full_mailboxes_slow_nobody(post_office, fake_time):
    pace = Pace(fake_time.timer)
    with post_office.engine.begin() as connection:
        for reply in [SENT] * 50 + [FULL_BOX] * 20 + [TOO_FAST] * 5:
            pace.heard("a.example", reply)
            pace.tell(connection)
        assert throttle.slowed(connection) == {}


def test_a_relay_that_takes_some_mail_and_refuses_more_is_slowed_as_a_whole(post_office, fake_time):
    pace = Pace(fake_time.timer)
    busy = Reply("mail", 452, "too many", "4.3.2")
    with post_office.engine.begin() as connection:
        for _ in range(3):
            pace.heard("a.example", busy)
        pace.tell(connection)
        assert throttle.slowed(connection) == {}, "a relay that takes nothing only rests"
        for each in range(27):
            pace.heard(f"{each}.example", SENT)
        fake_time.pass_on(3)
        pace.heard("a.example", busy)
        pace.tell(connection)
        slowed = throttle.slowed(connection)
        assert slowed == {throttle.RELAY: pytest.approx((27 + 4) / 3 / 2)}
        assert pace.page(50) == 5
        admitted = pace.admit(connection, [(each, "x.example") for each in range(20)])
        assert not admitted.wait
        assert len(admitted.go) + len(admitted.back) == 20
        assert timedelta(0) < admitted.rest <= timedelta(seconds=1)


def test_a_rate_of_the_settings_is_a_ceiling_for_the_learned_one(post_office, fake_time):
    post_office.adjust(domain_rates=("a.example=8",))
    pace = Pace(fake_time.timer)
    with post_office.engine.begin() as connection:
        for _ in range(100):
            pace.heard("a.example", TOO_FAST)
        pace.tell(connection)
        assert throttle.slowed(connection) == {"a.example": 4.0}
        for _ in range(30):
            fake_time.pass_on(5)
            pace.heard("a.example", SENT)
            pace.tell(connection)
        assert throttle.slowed(connection)["a.example"] > 8
        assert len(pace.admit(connection, [(each, "a.example") for each in range(50)]).go) == 8


def test_while_nothing_is_limited_the_pace_asks_the_database_nothing(post_office, fake_time):
    pace = Pace(fake_time.timer)
    with post_office.engine.begin() as connection:
        pace.admit(connection, [(1, "a.example")])
        with statements(post_office.engine) as seen:
            for each in range(100):
                pace.heard("a.example", SENT)
                pace.tell(connection)
                assert pace.admit(connection, [(each, "a.example")]).go == [each]
        assert seen == []


def test_a_message_that_waits_for_its_turn_is_held_back_and_said_so(post_office):
    post_office.adjust(domain_rates=("readers.example=2",))
    run_id = post_office.plan(5)
    db.session.rollback()
    with post_office.engine.begin() as connection:
        worker_id = workers.start(connection)
        claims = ledger.claim(connection, worker_id, ["issue"], limit=5).claims
        assert not throttle.is_anything_waiting(connection)
        admitted = Pace().admit(connection, [(claim.row.id, "readers.example") for claim in claims])
        throttle.hold_back(connection, worker_id, admitted)
        assert throttle.is_anything_waiting(connection)
    assert post_office.states(run_id) == {"claimed": 2, "deferred": 3}
    held = [each for each in post_office.messages(run_id) if each.state == "deferred"]
    assert {each.id: each.due_at for each in held} == admitted.wait
    assert {(each.claimed_by, each.last_phase, each.attempts) for each in held} == {(None, "pace", 0)}


def test_a_clock_set_back_stops_nobody(post_office, fake_time):
    post_office.adjust(domain_rates=("a.example=2",))
    pace = Pace(fake_time.timer)
    with post_office.engine.begin() as connection:
        pace.admit(connection, [(each, "a.example") for each in range(50)])
        fake_time.pass_on(-7200)
        pace.admit(connection, [(1, "a.example")])
        fake_time.pass_on(1)
        assert pace.admit(connection, [(1, "a.example"), (2, "a.example")]).go == [1, 2]
