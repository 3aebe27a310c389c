"""Issues on the web: what anybody may read, and nothing personal."""

import re

import feedparser
import pytest
import time_machine

from newsletter import clock, db
from newsletter.articles import publishing
from newsletter.articles.models import Article
from newsletter.issues import composing, lifecycle, planning, preflight
from newsletter.publication import masthead, newsletters
from newsletter.web.public import archive
from tests.audience import magazine
from tests.issues import world
from tests.web import atom_rules

NASTY = '<script>alert("x")</script> & {{ 1337*7331 }} ]]> \N{RIGHT-TO-LEFT OVERRIDE}'


def _send(slug):
    """Compose, approve and send an issue of a newsletter; returns its number."""
    issue = composing.compose(newsletters.get(slug))
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    number, issue_id = issue.number, issue.id
    db.session.commit()
    planning.release(issue_id)
    return number


@pytest.fixture(autouse=True)
def _sent(room, monkeypatch):
    # Preflight refuses some of these words.
    monkeypatch.setattr(preflight, "refuse_harm", lambda _issue: None)
    magazine.found()
    magazine.ask(newsletters=["daily"], topics=["music", "fashion"])
    magazine.confirm()
    now = newsletters.get("daily").created_at
    world.article("music", ready_at=now, hypes=3952, headline="A quiet record & a half")
    world.article("fashion", ready_at=now, headline=NASTY)
    db.session.commit()
    for slug in ("daily", "staff"):
        _send(slug)
    db.session.rollback()


def test_an_issue_is_a_page_with_its_stories_and_no_reader(client):
    listed = client.get("/archive").text
    assert "/archive/daily/1" in listed
    page = client.get("/archive/daily/1")
    assert page.status_code == 200
    assert "A quiet record &amp; a half" in page.text
    assert "3,952 Hypes" in page.text
    for personal in ("readers.example", "/unsubscribe/", "/preferences/", "SLOT"):
        assert personal not in page.text
    assert page.text.count("<h1") == 1


def test_markup_in_a_headline_stays_text_on_page_and_feed(client):
    for path in ("/archive", "/archive/daily/1", "/archive/feed.xml"):
        answer = client.get(path).text
        assert "<script" not in answer
        # Where the headline stands, it stands as it was written: nothing was computed.
        assert answer.count("alert(") == answer.count("{{ 1337*7331 }}")
    assert "{{ 1337*7331 }}" in client.get("/archive/daily/1").text


FEEDS = ("/archive/feed.xml", "/archive/daily/feed.xml", "/topics/fashion/feed.xml")


@pytest.mark.parametrize("path", FEEDS)
def test_the_feeds_are_valid_atom_of_public_newsletters(client, path):
    answer = client.get(path)
    assert atom_rules.complaints(answer.data) == []
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = feedparser.parse(answer.data)
    assert (feed.bozo, feed.version) == (False, "atom10")
    (entry,) = feed.entries
    assert entry.link.endswith("/archive/daily/1")
    assert entry.id == entry.link
    assert "A quiet record" in entry.content[0].value
    assert feed.feed.id.endswith(path.removesuffix("/feed.xml"))
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (("<updated>", "<updated>yesterday "), "RFC 3339"),
        (("<name>The Magazine</name>", "<name/>"), "author"),
        ((' rel="self"', ' rel="related"'), "itself"),
        (("<id>http:", "<id>"), "IRI"),
        (("</entry>", "</entry><entry/>"), "id in entry"),
        (("&lt;article", "&lt;script"), "script"),
        (("href=&#34;https://magazine.example", "href=&#34;"), "relative"),
    ],
)
def test_the_checker_of_feeds_sees_what_is_wrong(client, broken, complaint):
    document = client.get("/archive/feed.xml").text
    assert broken[0] in document
    found = atom_rules.complaints(document.replace(*broken).encode())
    assert any(complaint in each for each in found)


def test_what_no_xml_may_hold_is_left_out_of_a_feed(client):
    masthead.save(masthead.Plan("Mag\x08azine\uffff & <b>Sons</b>"))
    db.session.commit()
    answer = client.get("/archive/feed.xml")
    assert feedparser.parse(answer.data).feed.title_detail.value == "Magazine &amp; &lt;b&gt;Sons&lt;/b&gt;"


def test_a_story_withdrawn_since_is_gone_from_page_and_feed_which_say_so(client):
    before = client.get("/archive/feed.xml").data
    record = db.session.query(Article).filter(Article.headline.startswith("A quiet")).one()
    with time_machine.travel("2030-03-04 10:00Z", tick=False):
        publishing.withdraw(record)
        db.session.commit()
    page = client.get("/archive/daily/1").text
    assert "Corrected on Monday 4 March 2030" in page
    assert 'property="article:modified_time" content="2030-03-04T10:00:00' in page
    assert "A quiet record" not in page
    after = client.get("/archive/feed.xml").data
    assert feedparser.parse(after).entries[0].updated == "2030-03-04T10:00:00Z"
    assert feedparser.parse(after).entries[0].published == feedparser.parse(before).entries[0].published
    assert b"A quiet record" not in after
    assert "A quiet record" not in client.get("/topics/music").text + client.get("/archive").text + client.get("/").text


def test_an_issue_shared_elsewhere_shows_its_title_and_address(client):
    page = client.get("/archive/daily/1").text
    shared = dict(re.findall(r'<meta property="(og:\w+)" content="([^"]*)"', page))
    assert shared["og:title"] == "A quiet record &amp; a half"
    assert (shared["og:type"], shared["og:site_name"], shared["og:locale"]) == ("article", "The Magazine", "en")
    assert shared["og:url"].startswith("http")
    assert shared["og:url"].endswith("/archive/daily/1")


def test_a_topic_gathers_what_issues_brought_on_it(client):
    page = client.get("/topics/music").text
    assert "A quiet record &amp; a half" in page
    assert "/archive/daily/1#music" in page
    assert "alert(" not in page
    assert "Nothing on this topic" in client.get("/topics/art").text
    assert client.get("/topics/opera").status_code == 404


def test_a_long_archive_is_walked_page_by_page(client, monkeypatch):
    monkeypatch.setattr(archive, "_ON_PAGE", 2)
    monkeypatch.setattr(archive, "_ON_SHELF", 1)
    for number in range(4):
        world.article("music", headline=f"Later story {number}", ready_at=clock.now())
        db.session.commit()
        _send("daily")
    assert "All 5 issues of The Daily" in client.get("/archive").text
    path, seen = "/archive/daily", []
    while path:
        page = client.get(path).text
        seen += re.findall(r"No\. (\d+)", page)
        path = next(iter(re.findall(r'rel="next" href="([^"]+)"', page)), None)
    assert seen == ["5", "4", "3", "2", "1"]
    assert client.get("/archive/daily?before=' OR 1=1").status_code == 200


def test_a_newsletter_that_is_not_public_has_no_archive(client):
    for path in ("/archive/staff/1", "/archive/staff", "/archive/staff/feed.xml", "/archive/nope/feed.xml"):
        assert client.get(path).status_code == 404
    assert "Staff only" not in client.get("/archive").text


def test_the_first_page_leads_to_the_latest_issue(client):
    home = client.get("/").text
    assert 'href="/archive/daily/1"' in home
    assert "Staff only" not in home
    assert db.session.query(Article).count() == 2
