"""The scheduler process: every part of the timetable runs, an error stops nothing, and stopping waits for what runs."""

import dataclasses
import threading
from datetime import timedelta

import pytest

from newsletter import settings
from newsletter.scheduler import main
from newsletter.scheduler import timetable as table
from newsletter.scheduler.timetable import Entry

SOON = timedelta(milliseconds=20)


@pytest.fixture
def scheduler(app, configured):
    """Run the scheduler with a timetable until the test ends it."""
    settings.use(dataclasses.replace(configured, tick_interval=SOON, sweep_interval=SOON))
    stop, threads = threading.Event(), []

    def work():
        with app.app_context():
            main.run(stop)

    def start():
        threads.append(threading.Thread(target=work))
        threads[0].start()

    def end():
        stop.set()
        threads[0].join(timeout=20)
        assert not threads[0].is_alive()

    yield start, end
    if threads and not stop.is_set():
        end()


def timetable(monkeypatch, **acts):
    monkeypatch.setattr(table, "TIMETABLE", tuple(Entry(name, act, lambda: SOON) for name, act in acts.items()))


def test_a_job_that_fails_runs_again_and_a_slow_one_delays_no_other(scheduler, monkeypatch):
    failed, quick, go_on = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def failing(_report):
        failed.release()
        raise RuntimeError("out of luck")

    timetable(monkeypatch, failing=failing, slow=lambda _: go_on.wait(30), quick=lambda _: quick.release())
    start, end = scheduler
    start()
    for _ in range(3):
        assert failed.acquire(timeout=20)
        assert quick.acquire(timeout=20)
    go_on.set()
    end()


def test_stopping_waits_for_the_tick_that_runs(scheduler, monkeypatch):
    begun, go_on, finished = threading.Event(), threading.Event(), threading.Event()

    def ticking(_report):
        begun.set()
        go_on.wait(30)
        finished.set()

    timetable(monkeypatch, ticking=ticking)
    start, end = scheduler
    start()
    assert begun.wait(20)
    threading.Timer(0.05, go_on.set).start()
    end()
    assert finished.is_set()


def test_the_whole_timetable_runs_on_an_empty_database(scheduler, monkeypatch):
    ran = {entry.name: threading.Event() for entry in table.TIMETABLE}
    reports = []

    def telling(entry):
        def act(report):
            entry.act(report)
            reports.append(report)
            ran[entry.name].set()

        return act

    timetable(monkeypatch, **{entry.name: telling(entry) for entry in table.TIMETABLE})
    start, end = scheduler
    start()
    assert all(each.wait(20) for each in ran.values())
    end()
    assert [report.problems for report in reports if report.problems] == []
