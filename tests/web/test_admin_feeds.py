"""A feed's page on the desk: what its categories mean, and what would come in."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from newsletter import db, fetching
from newsletter.articles import feeds, publishing
from newsletter.articles.models import Article, Feed
from newsletter.errors import FetchRefused
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

DOCUMENT = {
    "version": "https://jsonfeed.org/version/1.1",
    "title": "All <of> it",
    "items": [
        {"id": "n", "url": "https://magazine.example/n", "title": "A <b>new</b> lamp", "tags": ["Lighting", "Oddities"],
         "date_published": "2026-01-02T03:04:05Z"},
        {"id": "0", "url": "https://magazine.example/stories/0?utm_source=feed", "title": "Known", "tags": ["Lighting"],
         "date_published": "2026-01-02T03:04:05Z"},
        {"id": "u", "url": "https://magazine.example/u", "title": "Undated", "tags": ["Music"]},
        {"id": "x", "url": "https://me:secret@magazine.example/x", "title": "Not to be linked"},
    ],
}  # fmt: skip


@pytest.fixture
def csrf(client, room, monkeypatch):
    desk.magazine()
    open_meanwhile = []

    def get(url, **_options):
        open_meanwhile.append(db.session().in_transaction())
        return fetching.Fetched(url, 200, json.dumps(DOCUMENT).encode(), "application/feed+json", "", "")

    monkeypatch.setattr(fetching, "get", get)
    yield desk.log_in(client, Role.PUBLISHER)
    assert not any(open_meanwhile)


def _post(client, csrf, path, **fields):
    return client.post(path, data={"csrf": csrf, **fields})


@both_engines
def test_a_test_fetch_shows_what_would_come_in_and_stores_nothing(client, csrf):
    before = db.session.scalar(select(func.count()).select_from(Article))
    db.session.rollback()
    page = _post(client, csrf, "/admin/feeds/1/trial").text
    for said in (
        "2 new, 1 here already, 1 refused",
        "A new lamp",
        "Lighting, Oddities",
        "It has no date",
        "Nothing was stored",
    ):
        assert said in page, said
    assert "“A lamp that folds flat" in page
    assert 'value="Oddities"' in page
    typed = {"category": ["Oddities", "Typed"], "category_topic": ["music", ""], "topics": [], "language": "en"}
    page = _post(client, csrf, "/admin/feeds/1/trial", **typed).text
    assert 'Lighting, Oddities <span aria-label="means">→</span> Music' in page
    assert 'value="Typed"' in page
    feed = db.session.get_one(Feed, 1)
    assert (feed.fetched_at, feed.title, [each.category for each in feed.mappings]) == (
        None,
        "",
        ["", "Tech & Gadgets"],
    )
    assert db.session.scalar(select(func.count()).select_from(Article)) == before


def test_a_test_fetch_that_fails_says_why(client, csrf, monkeypatch):
    def get(_url, **_options):
        raise FetchRefused("The server answered 503.")

    monkeypatch.setattr(fetching, "get", get)
    assert "The server answered 503." in _post(client, csrf, "/admin/feeds/1/trial").text


@both_engines
def test_what_its_categories_mean_is_changed_with_before_and_after(client, csrf):
    feed = db.session.get_one(Feed, 1)
    draft = publishing.Draft(
        "https://magazine.example/o", "Odd", categories=("Oddities",), published_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    publishing.publish(draft, feed=feed)
    feed.last_error, feed.failures = "The server answered 503.", 2
    seen = feeds.stamp(feeds.plan_of(feed))
    db.session.commit()
    page = client.get("/admin/feeds/1").text
    assert "The server answered 503." in page
    assert 'value="Oddities"' in page
    form = {
        "seen": seen,
        "topics": [],
        "category": ["Oddities", "Oddities", "Unmapped"],
        "category_topic": ["music", "design", ""],
        "language": "de",
    }
    assert _post(client, csrf, "/admin/feeds/1", **form).status_code == 303
    line = audit.of("feed 1")[0]
    assert line.before["mapping"] == {"Tech & Gadgets": ["tech"]}
    assert line.after == {"topics": [], "mapping": {"Oddities": ["music", "design"]}, "language": "de"}
    db.session.rollback()
    stale = _post(client, csrf, "/admin/feeds/1", **form | {"category_topic": ["tech", "tech", ""]})
    assert stale.status_code == 409
    assert "Oddities means music, design" in stale.text
    for wrong in ({"language": "German!"}, {"category_topic": ["nope", "", ""]}):
        answer = _post(client, csrf, "/admin/feeds/1", **form | {"seen": ""} | wrong)
        assert answer.status_code in (409, 422)
        assert 'value="Unmapped"' in answer.text
    assert feeds.plan_of(feeds.get(1)).mapping == {"Oddities": ["music", "design"]}


@both_engines
def test_a_feed_is_mapped_and_tried_on_the_command_line(csrf, app):
    def run(*words: str) -> dict:
        answer = app.test_cli_runner().invoke(args=["newsletter", "feed", *words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.output)

    assert run("map", "1", "--topic", "music", "--map", "Lighting=design") == {
        "feed": 1,
        "topics": ["music"],
        "mapping": {"Lighting": ["design"]},
        "language": "en",
    }
    told = run("test", "1")
    assert [each["fate"] for each in told["items"]] == ["new", "known", "new"]
    assert told["items"][0]["topics"] == ["Design", "Music"]
