"""Limits: so many in a time, shared by everybody who asks."""

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
