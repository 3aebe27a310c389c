"""Topics and newsletters on the desk and by command: order, names, what a calendar means, pause, two editors."""

import json
from datetime import UTC, date, datetime

import pytest
import time_machine

from newsletter import clock, db
from newsletter.issues import calendar, composing, dates, occurrences
from newsletter.publication import newsletters, topics
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)  # a Thursday
DAILY = "/admin/newsletters/daily"


@pytest.fixture
def csrf(client, room):
    with time_machine.travel(NOON, tick=False) as time:
        desk.magazine()
        client.time = time
        yield desk.log_in(client, Role.PUBLISHER)
        db.session.rollback()


def _order() -> list[str]:
    db.session.rollback()
    return [topic.slug for topic in topics.all()]


def _daily() -> newsletters.Newsletter:
    db.session.rollback()
    return newsletters.get("daily")


def _form(page: str, **changed: object) -> dict[str, object]:
    """What the page's own form would send."""
    daily = _daily()
    return {
        "seen": page.partition('name="seen" value="')[2].partition('"')[0],
        "title": daily.title,
        "promise": daily.promise,
        "topics": [topic.slug for topic in daily.topics],
        "days": list(daily.days),
        "at": daily.at,
        "zone": daily.zone,
        "kind": "digest",
        "approval": "none",
        "language": "en",
        "is_public": "yes",
        **changed,
    }


@both_engines
def test_topics_are_added_renamed_and_put_in_order(client, csrf):
    assert client.post("/admin/topics", data={"csrf": csrf, "slug": "gaming", "name": "Gaming"}).status_code == 303
    assert "In no newsletter" in client.get("/admin/topics").text
    rename = {"csrf": csrf, "seen": "Gaming", "name": "Games & Toys"}
    assert client.post("/admin/topics/gaming/name", data=rename).status_code == 303
    for way in ("up", "up", "down"):
        client.post("/admin/topics/gaming/place", data={"csrf": csrf, "do": way})
    assert _order() == ["design", "music", "fashion", "gaming", "tech"]
    assert topics.find("gaming").name == "Games & Toys"
    assert [entry.action for entry in audit.of("topic gaming")][-2:] == ["topic renamed", "topic added"]
    stale = client.post("/admin/topics/gaming/name", data=rename | {"name": "Play"})
    assert (stale.status_code, "Somebody else has renamed" in stale.text) == (409, True)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"slug": "music", "name": "Again"}, "short name already"),
        ({"slug": "Not So", "name": "N"}, "lower-case letters"),
        ({"slug": "new", "name": "  "}, "needs a name"),
        ({"slug": "new", "name": "n" * 61}, "at most 60"),
    ],
)
def test_what_is_no_topic_is_said_beside_its_field(client, csrf, form, said):
    answer = client.post("/admin/topics", data={"csrf": csrf, **form})
    assert (answer.status_code, said in answer.text) == (422, True)
    assert len(_order()) == 4


def test_a_newsletter_keeps_an_order_of_its_own(client, csrf):
    page = client.get(DAILY).text
    moved = client.post(DAILY, data=_form(page, csrf=csrf, do="up music", title="Not yet"))
    assert moved.status_code == 200
    assert 'value="Not yet"' in moved.text
    assert moved.text.index('value="music"') < moved.text.index('value="design"')
    assert _daily().topics[0].slug == "design"
    saved = client.post(DAILY, data=_form(page, csrf=csrf, topics=["music", "design"]))
    assert saved.status_code == 303
    page = client.get(DAILY).text
    assert client.post(DAILY, data=_form(page, csrf=csrf)).status_code == 303
    assert [topic.slug for topic in _daily().topics] == ["music", "design"]


def test_two_editors_of_a_newsletter_are_told_of_each_other(client, csrf):
    page = client.get(DAILY).text
    assert client.post(DAILY, data=_form(page, csrf=csrf, title="First")).status_code == 303
    both = client.post(DAILY, data=_form(page, csrf=csrf, title="Second"))
    assert both.status_code == 409
    assert "Title: First" in both.text
    assert 'value="Second"' in both.text
    assert _daily().title == "First"
    assert client.post(DAILY, data=_form(both.text, csrf=csrf, title="Second")).status_code == 303
    assert _daily().title == "Second"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sender": "nobody"}, "not an e-mail address"),
        ({"minimum_stories": "0"}, "at least one story"),
        ({"look_back_days": "0"}, "at least one day"),
        ({"language": "tlh"}, "must be one of"),
    ],
)
def test_what_a_newsletter_cannot_be_is_refused(client, csrf, changed, said):
    answer = client.post(DAILY, data=_form(client.get(DAILY).text, csrf=csrf, **changed))
    assert (answer.status_code, said in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("days=mon&days=fri&at=07:00&zone=Europe/Berlin", "Friday 27 November 07:00 (Europe/Berlin)"),
        ("days=sun&at=02:30&zone=Europe/Berlin&holidays=2026-11-29", "Sunday 6 December 02:30"),
        ("days=fri&at=07:00&zone=Europe/Berlin&approval=one", "Thursday 26 November 16:00"),
        ("days=fri&at=07:00&zone=Europe/Berlin&approval=one", "held and you are told"),
        ("days=fri&at=07:00&zone=Europe/Berlin&approval=one&sends_unapproved=yes", "sent as it is"),
        ("days=fri&zone=Europe/Berlin", "needs both days and a time"),
        ("days=fri&at=07:00&zone=Berlin", "not a time zone"),
        ("zone=UTC", "sent by hand"),
    ],
)
def test_what_a_calendar_means_is_told_while_it_is_typed(client, csrf, query, said):
    assert said in client.get(f"/admin/newsletters/new/meaning?{query}").text


def test_where_clocks_change_it_says_so(client, csrf):
    client.time.move_to(datetime(2027, 3, 20, 12, tzinfo=UTC))
    desk.log_in(client, Role.PUBLISHER)
    page = client.get("/admin/newsletters/new/meaning?days=sun&at=02:30&zone=Europe/Berlin").text
    assert "02:30 does not exist on 28 March; goes at 03:00." in page


@both_engines
def test_a_paused_newsletter_opens_no_date_and_goes_on_from_the_next_one(client, csrf):
    weekly = newsletters.get("weekly")
    client.time.move_to(datetime(2026, 11, 26, 20, tzinfo=UTC))
    occurrences.open_due(clock.now())
    db.session.commit()
    csrf = desk.log_in(client, Role.PUBLISHER)
    assert client.post("/admin/newsletters/weekly/pause", data={"csrf": csrf, "do": "pause"}).status_code == 303
    assert "is paused since" in client.get("/admin/newsletters/weekly").text
    db.session.rollback()
    occurrences.open_due(clock.now())
    db.session.commit()
    weekly = newsletters.get("weekly")
    assert calendar.how_often(weekly) == "Paused for now"
    assert dates.next_appearance(weekly, clock.now()) is None
    client.post("/admin/newsletters/weekly/pause", data={"csrf": csrf, "do": "go on"})
    db.session.rollback()
    occurrences.open_due(clock.now())
    db.session.commit()
    assert dates.next_appearance(newsletters.get("weekly"), clock.now()) == datetime(2026, 11, 27, 7, tzinfo=UTC)
    assert [entry.action for entry in audit.of("newsletter weekly")] == ["newsletter goes on", "newsletter paused"]


def test_an_open_issue_loses_its_time_in_a_pause_and_gets_it_back(client, csrf):
    client.time.move_to(datetime(2026, 11, 26, 20, tzinfo=UTC))
    occurrences.open_due(clock.now())
    weekly = newsletters.get("weekly")
    opened = occurrences.of(weekly, date(2026, 11, 27))
    due_at, issue = opened.due_at, composing.compose(weekly, now=clock.now())
    issue.occurrence_id, issue.send_at = opened.id, due_at
    newsletters.pause(weekly)
    occurrences.open_due(clock.now())
    assert issue.send_at is None
    newsletters.go_on(weekly)
    occurrences.open_due(clock.now())
    assert issue.send_at == due_at


def test_the_commands_change_what_is_named_and_nothing_else(app, room):
    def run(*words: str) -> dict[str, object]:
        result = app.test_cli_runner().invoke(args=["newsletter", *words, "--json"])
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.output))

    for slug in ("music", "art", "design"):
        run("topic", "add", slug, slug.title())
    assert run("topic", "order", "design", "art") == {"topics": ["design", "art", "music"]}
    run("newsletter", "add", "daily", "--title", "The Daily", "--topic", "music", "--days", "mon", "--at", "07:00")
    before = newsletters.plan_of(newsletters.get("daily"))
    run("newsletter", "add", "daily", "--sender", "News <n@magazine.example>", "--private", "--unapproved", "sent")
    db.session.expire_all()
    after = newsletters.plan_of(newsletters.get("daily"))
    assert (after.sender, after.is_public, after.sends_unapproved) == ("News <n@magazine.example>", False, True)
    assert (after.title, after.topics, after.calendar) == (before.title, before.topics, before.calendar)
    run("newsletter", "add", "daily", "--days", "")
    assert run("newsletter", "pause", "daily") == {"newsletter": "daily", "paused": True}
    assert run("newsletter", "resume", "daily") == {"newsletter": "daily", "paused": False}
    assert len(audit.of("newsletter daily")) == 5
    untitled = app.test_cli_runner().invoke(args=["newsletter", "newsletter", "add", "new", "--topic", "art"])
    assert (untitled.exit_code, "needs a title" in untitled.output) == (1, True)
