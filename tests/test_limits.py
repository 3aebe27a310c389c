"""Limits: so many in a time, shared by everybody who asks."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import time_machine

from newsletter import db, limits
from tests.conftest import both_engines

pytestmark = both_engines

HOUR = timedelta(hours=1)


def test_tokens_run_out_and_come_back_evenly(room):
    with time_machine.travel(datetime(2026, 11, 23, 12, tzinfo=UTC), tick=False) as time:
        assert [limits.take("a", capacity=2, period=HOUR) for _ in range(3)] == [True, True, False]
        assert limits.take("b", capacity=2, period=HOUR)
        time.shift(timedelta(minutes=30))
        assert [limits.take("a", capacity=2, period=HOUR) for _ in range(2)] == [True, False]
        time.shift(HOUR + timedelta(seconds=1))
        limits.sweep()
        assert db.session.query(limits.Bucket).count() == 0


def test_who_asks_first_at_the_same_moment_shares_the_tokens(room):
    together = threading.Barrier(4)

    def take(number):
        with room.app_context():
            together.wait(10)
            allowed = [limits.take(f"new {bucket}", capacity=2, period=HOUR) for bucket in range(10)]
            db.session.commit()
            return allowed

    with ThreadPoolExecutor(4) as pool:
        allowed = list(pool.map(take, range(4)))
    assert [sum(each) for each in zip(*allowed, strict=True)] == [2] * 10


def test_a_bucket_that_is_swept_while_it_is_asked_for_is_made_again(room):
    over = threading.Event()

    def sweep():
        with room.app_context():
            while not over.is_set():
                limits.sweep()
                db.session.commit()

    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(sweep)
        try:
            for _ in range(300):
                # Full again within the millisecond.
                assert limits.take("a", capacity=10**7, period=HOUR)
                db.session.commit()
        finally:
            over.set()
        sweeping.result()
