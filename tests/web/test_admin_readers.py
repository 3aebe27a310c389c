"""The readers on the desk: found by everything that tells them apart, and taken along as a table that harms nobody."""

import csv
import html
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from newsletter import clock, db, settings
from newsletter.audience import consent, directory, signup, unsubscribe, wishes
from newsletter.audience.directory import Search
from newsletter.audience.models import ConsentKind, Subscriber, Subscription, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import receipts
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.privacy import story
from newsletter.publication import newsletters, topics
from newsletter.staff import audit, sessions
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

ORIGIN = consent.Origin("form", "/subscribe", "192.0.2.4", "Mozilla/5.0")
FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATES = ("confirmed", "pending", "ended", "paused", "suppressed")
NEWSLETTERS = (("daily",), ("weekly",), ("daily", "weekly"))
TOPICS = ("design", "music")


@pytest.fixture
def people(room) -> list[dict]:
    """Sixty readers, four a day, of every state, newsletter and topic; what is true of each, the newest first."""
    for slug in TOPICS:
        topics.add(slug, slug.title())
    for slug in ("daily", "weekly"):
        newsletters.save(slug, newsletters.Plan(slug.title(), list(TOPICS)))
    found = [_person(number) for number in range(60)]
    db.session.commit()
    return found[::-1]


def _person(number: int) -> dict:
    told = {
        "address": f"{'anna' if number % 4 else 'bert'}{number}@readers.example",
        "state": STATES[number % 5],
        "newsletters": NEWSLETTERS[number % 3],
        "topic": TOPICS[number % 2],
        "day": (FIRST + timedelta(days=number // 4)).date(),
    }
    state = {"pending": SubscriptionState.PENDING, "ended": SubscriptionState.ENDED}
    came = FIRST + timedelta(days=number // 4)
    reader = Subscriber(address=told["address"], address_key=told["address"], created_at=came)
    if told["state"] == "paused":
        reader.paused_until = clock.now() + timedelta(days=9)
    reader.subscriptions = [
        Subscription(
            newsletter_id=newsletters.get(slug).id,
            topic_id=topics.find(told["topic"]).id,
            state=state.get(told["state"], SubscriptionState.CONFIRMED),
            created_at=came,
        )
        for slug in told["newsletters"]
    ]
    db.session.add(reader)
    db.session.flush()
    if told["state"] == "suppressed":
        suppression.suppress(told["address"], SuppressionReason.COMPLAINT)
    return told


def _fits(person: dict, search: Search) -> bool:
    return (
        person["address"].startswith(search.key)
        and search.newsletter in ("", *person["newsletters"])
        and search.topic in ("", person["topic"])
        and search.standing in ("", person["state"])
        and (search.joined_from or date.min) <= person["day"] <= (search.joined_to or date.max)
    )


@both_engines
def test_every_filter_finds_those_who_fit_page_by_page_each_once(people, monkeypatch):
    # So few are looked at for one page that many a page ends before it is full.
    monkeypatch.setattr(directory, "_PIECES", (5, 5))
    days = [(None, None), (date(2026, 1, 3), None), (None, date(2026, 1, 9)), (date(2026, 1, 4), date(2026, 1, 10))]
    wrong = []
    for words in ("", "ANNA1", "bert4@"):
        for newsletter in ("", "weekly"):
            for topic in ("", "music"):
                for standing in ("", *STATES):
                    first, last = days[(len(words) + len(newsletter) + len(topic) + len(standing)) % 4]
                    search = Search(words, newsletter, topic, standing, first, last)
                    expected = [each["address"] for each in people if _fits(each, search)]
                    if search.key or standing == "suppressed":
                        expected.sort()
                    if _walked(search) != expected:
                        wrong.append((search, _walked(search), expected))
    assert wrong == []


def _walked(search: Search) -> list[str]:
    found, after = [], ""
    for _ in range(60):
        page = directory.page(search, after=after, limit=3)
        found += [each.subscriber.address for each in page.readers]
        if page.further is None:
            return found
        after = page.further
    raise AssertionError("The pages have no end.")


def test_the_next_page_keeps_the_filters_and_says_again_what_was_asked(people, client, monkeypatch):
    monkeypatch.setattr(directory, "_PIECES", (5, 5))
    desk.log_in(client, Role.EDITOR)
    place, found = "/admin/readers?newsletter=weekly&topic=music&from=2026-01-02&to=2026-01-12&state=confirmed", []
    while place:
        page = client.get(place).text
        found += re.findall(r">(\w+@readers\.example)<", page)
        assert '<option value="weekly" selected>' in page
        assert 'name="from" type="date" value="2026-01-02"' in page
        link = re.search(r'class="button" href="(/admin/readers\?[^"]*after=[^"]*)"', page)
        place = html.unescape(link[1]) if link else ""
    search = Search("", "weekly", "music", "confirmed", date(2026, 1, 2), date(2026, 1, 12))
    assert found == [each["address"] for each in people if _fits(each, search)]


def test_a_filter_that_is_none_is_told_in_words(people, client):
    desk.log_in(client, Role.EDITOR)
    wrong = ["state=gone", "from=2026-13-01", "to=1", "from=2026-02-02&to=2026-02-01", "from=0001-01-01"]
    assert {client.get(f"/admin/readers?{asked}").status_code for asked in wrong} == {400}
    assert {client.get(f"/admin/readers?{asked}").status_code for asked in ("newsletter=gone", "topic=gone")} == {404}


@both_engines
def test_the_table_holds_those_asked_for_no_formula_and_is_written_down(people, client):
    hostile = '=cmd|"/c calc"!a1@readers.example'
    _agreed(hostile)
    csrf = desk.log_in(client, Role.PUBLISHER)
    table = _taken(client, csrf, q="=cmd")
    assert len(table) == 1
    assert (table[0]["email"], table[0]["state"]) == (f"'{hostile}", "confirmed")
    assert table[0]["subscriptions"] == "daily:design"
    assert table[0]["sentence"] == "'+ I agree"
    assert (table[0]["consent_source"], table[0]["terms_version"]) == ("form", "1")
    asked = {"newsletter": "weekly", "topic": "music", "state": "paused", "from": "2026-01-03"}
    search = Search("", "weekly", "music", "paused", date(2026, 1, 3))
    expected = [each["address"] for each in people if _fits(each, search)]
    assert [row["email"] for row in _taken(client, csrf, **asked)] == expected
    assert len(_taken(client, csrf)) == 61
    lines = audit.of("readers")
    assert [line.after for line in lines] == [{}, asked, {"q": "=cmd"}]
    assert {(line.actor, line.action) for line in lines} == {("publisher@magazine.example", "readers exported")}


def _agreed(address: str) -> None:
    reader = Subscriber(address=address, address_key=address, created_at=clock.now())
    reader.subscriptions = [
        Subscription(
            newsletter_id=newsletters.get("daily").id,
            topic_id=topics.find("design").id,
            state=SubscriptionState.CONFIRMED,
            created_at=clock.now(),
        )
    ]
    db.session.add(reader)
    db.session.flush()
    shown = consent.Shown("+ I agree", "en", 1, 1)
    wished = wishes.named(["daily:design"])
    consent.record(ConsentKind.CONFIRMED, reader, wished, consent.Origin("form"), shown=shown)
    db.session.commit()


def _taken(client, csrf, **asked) -> list[dict[str, str]]:
    answer = client.post("/admin/readers/export", data={"csrf": csrf, **asked}, buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="readers.csv"'
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def test_the_table_waits_for_proof_and_keeps_what_was_asked(people, client):
    csrf = desk.log_in(client, Role.PUBLISHER)
    session = sessions.find(client.get_cookie("session").value)
    session.proved_at -= settings.current().reauthenticate
    db.session.commit()
    answer = client.post("/admin/readers/export", data={"csrf": csrf, "topic": "music", "state": "paused"})
    assert answer.status_code == 403
    assert "Is it still you?" in answer.text
    assert '<input type="hidden" name="topic" value="music">' in answer.text
    assert "@readers.example" not in answer.text
    assert list(audit.of("readers")) == []


def test_nothing_is_taken_by_a_search_that_is_none(people, client):
    csrf = desk.log_in(client, Role.PUBLISHER)
    answer = client.post("/admin/readers/export", data={"csrf": csrf, "topic": "gone"})
    assert (answer.status_code, list(audit.of("readers"))) == (404, [])


@both_engines
def test_one_readers_whole_story_is_told_newest_first_each_thing_once(client, room, monkeypatch):
    monkeypatch.setattr(story, "PAGE", 2)
    monkeypatch.setattr(receipts, "PAGE", 1)
    with time_machine.travel(FIRST, tick=False) as time:
        desk.magazine()
        key = "reader0@readers.example"
        for action in (
            lambda: signup.request_subscription(signup.Ask(key, ORIGIN, ["daily"], ["music"], terms=True)),
            lambda: desk.issue("daily", "sent"),
            lambda: suppression.suppress(key, SuppressionReason.HARD_BOUNCE, "550 5.1.1 No such user"),
            lambda: suppression.lift(key, "asked by telephone"),
            lambda: (desk.article("A new one", "Music", number=40), desk.issue("breaking", "sent")),
            lambda: unsubscribe.leave(ReaderLink(1, 1), ORIGIN, everything=True),
        ):
            time.shift(timedelta(hours=1))
            action()
            db.session.commit()
        desk.log_in(client, Role.EDITOR)
        pages = list(_pages(client, "/admin/readers/1"))
    whole = "".join(page.split('id="story"')[1] for page in pages)
    told = re.findall(r'<p class="line-head">(.*?)</p>', whole, re.DOTALL)
    expected = [*("Ended", "Breaking", "allowed again", "No such mailbox", "The Daily", "confirmation was mailed")]
    expected += ["Asked", "Confirmed", "Asked"]
    assert [word in line for word, line in zip(expected, told, strict=True)] == [True] * 9, told
    assert "The Daily: Music" in whole
    assert "550 5.1.1 No such user; lifted: asked by telephone" in whole
    assert "I agree to the Terms of Use and have read the Privacy Policy." in whole
    desk.log_in(client, Role.EDITOR)
    for place in ("gone", "2026-01-01T00:00:00,gone,1", "2026-01-01,mail,x"):
        assert client.get(f"/admin/readers/1?before={place}").status_code == 400
    for place in ("0001-01-01T00:00:00%2b14:00,mail,1", "9999-12-31T00:00:00,link,99999999999999"):
        assert client.get(f"/admin/readers/1?before={place}").status_code == 200


def _pages(client, place):
    for _ in range(20):
        page = client.get(place).text
        yield page
        link = re.search(r'href="(/admin/readers/1\?before=[^"]*)#story">Older', page)
        if link is None:
            return
        place = html.unescape(link[1])
    raise AssertionError("The story has no end.")


@both_engines
def test_what_a_reader_takes_is_ended_with_a_reason_on_the_desk_and_by_command(client, app, room):
    desk.magazine()
    csrf, path = desk.log_in(client, Role.EDITOR), "/admin/readers/1/ending"
    answer = client.post(path, data={"csrf": csrf, "newsletter": "weekly", "reason": " "})
    assert (answer.status_code, "Please say why this ends." in answer.text) == (422, True)
    assert '<option value="weekly" selected>' in answer.text
    answer = client.post(path, data={"csrf": csrf, "newsletter": "weekly", "reason": "Asked by telephone"})
    page = client.get(answer.location).text
    assert "This has ended." in page
    assert 'Ended <span class="soft">at the desk</span>' in page
    assert "Asked by telephone" in page
    assert client.post(path, data={"csrf": csrf, "newsletter": "weekly", "reason": "Again"}).status_code == 409
    (line,) = audit.of("reader 1")
    assert (line.actor, line.after["reason"]) == ("editor@magazine.example", "Asked by telephone")
    assert {name.split(":")[0] for name in line.before["subscriptions"]} == {"weekly"}
    db.session.rollback()
    words = ["newsletter", "subscriber", "end", "Reader0@readers.example", "--reason", "By letter", "--json"]
    ran = app.test_cli_runner().invoke(args=words)
    assert {name.split(":")[0] for name in json.loads(ran.output)["ended"]} == {"daily", "breaking"}
    assert consent.proof("reader0@readers.example")["state"] == "ended"
    assert consent.proof("reader0@readers.example")["chain"]["is_whole"]
    db.session.rollback()
    assert app.test_cli_runner().invoke(args=words).exit_code == 1
    assert "End subscriptions" not in client.get("/admin/readers/1").text


def test_a_reader_who_asked_staff_is_erased_after_their_address_was_typed_on_the_desk_or_by_command(client, app, room):
    desk.magazine()
    csrf, path = desk.log_in(client, Role.PUBLISHER), "/admin/readers/1/erasure"
    assert "reader0@readers.example" in client.get(path).text
    for typed in ("", "reader3@readers.example"):
        answer = client.post(path, data={"csrf": csrf, "address": typed})
        assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (422, True)
    answer = client.post(path, data={"csrf": csrf, "address": " Reader0@readers.example "})
    assert "Everything about this reader is erased." in client.get(answer.location).text
    assert client.get("/admin/readers/1").status_code == 404
    (line,) = audit.of("reader 1")
    assert (line.actor, line.action) == ("publisher@magazine.example", "reader erased")
    assert "reader0" not in json.dumps([line.before, line.after])
    assert suppression.find("reader0@readers.example").reason is SuppressionReason.ERASURE
    db.session.rollback()
    words = ["newsletter", "subscriber", "erase", "reader3@readers.example", "--json"]
    assert json.loads(app.test_cli_runner().invoke(args=words).output)["erased"] is True
    assert app.test_cli_runner().invoke(args=words).exit_code == 1
