"""The desk's calendar and its commands: eight weeks, a date skipped, brought back, moved, taken out."""

import json
from datetime import UTC, date, datetime

import pytest
import time_machine

from newsletter.issues import dates
from newsletter.publication import newsletters
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

DAY = date(2026, 12, 2)  # a Wednesday
PATH = "/admin/calendar/daily/2026-12-02"


@pytest.fixture
def csrf(client, room):
    with time_machine.travel(datetime(2026, 11, 26, 12, tzinfo=UTC), tick=False):
        desk.magazine()
        yield desk.log_in(client, Role.EDITOR)


def _post(client, csrf, path, **fields):
    answer = client.post(path, data={"csrf": csrf, **fields})
    return answer, client.get(answer.location).text if answer.status_code == 303 else answer.text


@both_engines
def test_eight_weeks_of_all_newsletters_stand_in_one_list(client, csrf):
    issue_id = desk.issue("daily", "scheduled")
    page = client.get("/admin/calendar").text
    assert page.count('<td data-label="Newsletter">The Daily') == 56
    assert page.count('<td data-label="Newsletter">The Weekly') == 8
    assert f'href="/admin/issues/{issue_id}"' in page
    assert "Week of Monday 23 November 2026" in page
    assert "Wednesday 20 January 2027 07:00" in page
    assert "Breaking" not in page.split('<h2 id="holidays')[0]


@both_engines
def test_a_date_is_skipped_with_a_word_and_brought_back(client, csrf):
    answer, page = _post(client, csrf, f"{PATH}/skip", note="A quiet  day ")
    assert answer.location.endswith("#daily-2026-12-02")
    assert "The Daily does not appear on Wednesday 2 December 2026." in page
    assert "A quiet day" in page
    assert "Skip it" not in client.get(PATH).text
    _, page = _post(client, csrf, f"{PATH}/return")
    assert "The Daily appears Wednesday 2 December 07:00 (Europe/Berlin)." in page
    entry = audit.of("newsletter daily")[0]
    assert (entry.actor, entry.action) == ("editor@magazine.example", "date brought back")


@both_engines
def test_a_date_is_moved_and_shown_where_it_now_stands(client, csrf):
    _, page = _post(client, csrf, f"{PATH}/time", on="2026-12-01", at="18:00")
    assert "The Daily goes Tuesday 1 December 18:00 (Europe/Berlin)." in page
    assert "Moved from Wednesday 2 December 07:00" in page
    assert dates.get(newsletters.get("daily"), DAY).at == datetime(2026, 12, 1, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        (f"{PATH}/time", {"on": "2026-12-03", "at": "09:00"}, 422, "It has to go before the one of 2026-12-03 07:00"),
        (f"{PATH}/time", {"on": "2026-11-01", "at": "09:00"}, 422, "This time is past. Choose a later one."),
        (f"{PATH}/time", {"on": "tomorrow", "at": "09:00"}, 422, "Please choose a date and a time."),
        (f"{PATH}/return", {}, 409, "This date is not skipped."),
        ("/admin/calendar/holidays", {"on": "Christmas", "newsletter": "weekly"}, 422, "Please choose a date."),
        ("/admin/calendar/holidays", {"on": "2026-11-20", "newsletter": "weekly"}, 422, "This date is past."),
        ("/admin/calendar/holidays", {"on": "2026-12-25", "newsletter": "breaking"}, 422, "It is sent by hand"),
        ("/admin/calendar/daily/never/skip", {}, 404, "There is no such date."),
        ("/admin/calendar/breaking/2026-12-02/skip", {}, 404, "Breaking has no date on 02 December 2026."),
        ("/admin/calendar/nothing/2026-12-02/skip", {}, 404, "There is no newsletter"),
    ],
)
def test_what_cannot_be_is_said_with_what_was_typed(client, csrf, path, fields, status, said):
    answer, page = _post(client, csrf, path, **fields)
    assert answer.status_code == status
    assert said in page
    if status == 422:
        assert f'value="{fields["on"]}"' in page
    assert dates.get(newsletters.get("daily"), DAY).state == "planned"


def test_a_holiday_is_taken_out_of_every_calendar_and_listed(client, csrf):
    _, page = _post(client, csrf, "/admin/calendar/holidays", on="2026-12-25", newsletter="")
    assert "Not on Friday 25 December 2026: The Daily, The Weekly." in page
    assert "<dt>Friday 25 December 2026</dt><dd>The Daily, The Weekly</dd>" in page
    assert page.count("state-holiday") == 2
    assert "the date leaves the newsletter’s list" in client.get("/admin/calendar/daily/2026-12-25").text


def test_a_writer_looks_and_changes_nothing(client, csrf):
    desk.log_in(client, Role.WRITER)
    page = client.get("/admin/calendar").text
    assert "The Daily" in page
    assert "Change" not in page
    assert "Take out this date" not in page


def test_commands_do_what_the_desk_does(app, csrf):
    def run(*words: str) -> dict:
        answer = app.test_cli_runner().invoke(args=["newsletter", "calendar", *words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.output)

    assert len(run("list")["dates"]) == 64
    assert run("skip", "daily", "2026-12-02", "--note", "A quiet day")["state"] == "skipped"
    assert run("return", "daily", "2026-12-02")["state"] == "planned"
    moved = run("move", "daily", "2026-12-02", "--to", "2026-12-02T09:00")
    assert (moved["at"], moved["moved"]) == ("2026-12-02T08:00:00+00:00", True)
    assert run("holiday", "2026-12-25")["newsletters"] == ["daily", "weekly"]
    lines = app.test_cli_runner().invoke(args=["newsletter", "calendar", "list", "daily", "--weeks", "1"]).output
    assert "Wed 2026-12-02 09:00 Europe/Berlin  daily  planned, moved" in lines
    wrong = app.test_cli_runner().invoke(args=["newsletter", "calendar", "skip", "daily", "Christmas"])
    assert (wrong.exit_code, "A date is written like 2026-12-25" in wrong.output) == (1, True)
    assert {entry.actor for entry in audit.of("newsletter daily")} == {"command line"}
