"""Progress: what rate, how long it will take, and one line about it that any process may say."""

import io
import json
from datetime import timedelta

import pytest

from newsletter import db
from newsletter.cli import progress as shown
from newsletter.outbox.progress import Figures, Meter
from tests.conftest import both_engines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def seconds(monkeypatch) -> list[float]:
    """The time a line sees, as the last entry of a list."""
    passed = [1000.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: passed[-1])
    return passed


def test_the_rate_is_of_the_last_seconds_and_tells_the_time_left():
    meter = Meter()
    assert meter.read({"queued": 1000}, 0.0) == Figures(1000, 0, meter.read({"queued": 1000}, 0.0).by_state, 0.0, None)
    figures = [meter.read({"queued": 1000 - 10 * at, "sent": 9 * at, "bounced": at}, at) for at in range(1, 31)]
    assert {each.rate for each in figures} == {10.0}
    assert figures[-1].left == timedelta(seconds=70)
    assert figures[-1].share == 0.3
    # Ten times faster: twenty seconds later nothing is left of the old rate.
    for at in range(31, 52):
        last = meter.read({"queued": 700 - 30 * (at - 30), "sent": 300 + 30 * (at - 30)}, at)
    assert last.rate == 30.0


def test_what_is_paused_has_no_time_left_and_what_is_deferred_is_not_waited_for():
    meter = Meter()
    assert [meter.read({"queued": 5, "sent": 5}, at).left for at in (0.0, 1.0)] == [None, None]
    assert meter.read({"deferred": 5, "sent": 5}, 2.0).left == timedelta(0)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, "Issue 4: 100 %, 0 a second; no messages"),
        ({"queued": 4}, "Issue 4: 0 %, 0 a second, waiting; 4 queued"),
        ({"sent": 4, "bounced": 1}, "Issue 4: 100 %, 0 a second; 4 sent, 1 bounced"),
    ],
)
def test_the_line_in_words(counts, expected):
    assert shown.sentence("Issue 4", Meter().read(counts, 0.0)) == expected


def test_on_a_terminal_one_line_is_drawn_over(seconds):
    stream = Terminal()
    line = shown.Line(stream)
    line.show("Issue 4", {"queued": 12000})
    seconds.append(1002.0)
    line.show("Issue 4", {"queued": 9000, "sent": 3000})
    line.end()
    first, second = stream.getvalue().removeprefix("\r").split("\r")
    assert first == "Issue 4: [------------------------] 0 %, 0 a second, waiting; 12,000 queued"
    expected = "Issue 4: [######------------------] 25 %, 1,500 a second, 0:00:06 left; 9,000 queued, 3,000 sent"
    assert second == f"{expected}\n"


def test_without_a_terminal_a_line_is_written_every_few_seconds(seconds):
    stream = io.StringIO()
    line = shown.Line(stream)
    for tenth in range(120):
        seconds.append(1000.0 + tenth / 10)
        line.show("Issue 4", {"queued": 120 - tenth, "sent": tenth})
    assert [text.split(",")[0] for text in stream.getvalue().splitlines()] == ["Issue 4: 42 %", "Issue 4: 83 %"]
    line.show("Issue 4", {"sent": 120}, is_last=True)
    line.end()
    assert stream.getvalue().splitlines()[-1] == "Issue 4: 100 %, 10 a second; 120 sent"


def test_what_was_over_at_once_says_nothing_more(seconds):
    stream = io.StringIO()
    line = shown.Line(stream)
    line.show("Issue 4", {"queued": 1})
    line.show("Issue 4", {"sent": 1}, is_last=True)
    line.end()
    assert stream.getvalue() == ""


@both_engines
def test_delivering_says_on_standard_error_how_far_the_issues_are(post_office, app, monkeypatch):
    monkeypatch.setattr(shown, "_LOOK", 0.01)
    monkeypatch.setattr(shown, "_PLAIN_LINE", 0.0)
    for ref in (1, 2):
        post_office.plan(150, ref=ref)
    db.session.rollback()
    done = app.test_cli_runner().invoke(args=["newsletter", "deliver", "--until-empty", "--json"])
    assert json.loads(done.stdout)["sent"] == 300
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("2 issues: 100 %")
    assert lines[-1].endswith("; 300 sent")
    assert len(lines) > 1
