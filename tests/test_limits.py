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
