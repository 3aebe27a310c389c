"""Issues on the web: what anybody may read, and nothing personal."""

import re
from xml.etree import ElementTree

import feedparser
import pytest

from newsletter import db
from newsletter.articles.models import Article
from newsletter.issues import composing, lifecycle, planning
from newsletter.publication import newsletters
from tests.audience import magazine
from tests.issues import world

NASTY = '<script>alert("x")</script> & {{ 7*7 }} ]]> \N{RIGHT-TO-LEFT OVERRIDE}'


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
def _sent(room):
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
        assert "49" not in re.sub(r"[0-9a-f]{10,}|\d{4}-\d\d-\S+|:\d+", "", answer)


def test_the_feed_is_valid_atom_of_public_newsletters(client):
    document = client.get("/archive/feed.xml").data
    ElementTree.fromstring(document)
    feed = feedparser.parse(document)
    assert (feed.bozo, feed.version) == (False, "atom10")
    (entry,) = feed.entries
    assert entry.link.endswith("/archive/daily/1")
    assert entry.id == entry.link
    assert entry.updated
    assert "A quiet record" in entry.content[0].value


def test_a_newsletter_that_is_not_public_has_no_archive(client):
    assert client.get("/archive/staff/1").status_code == 404
    assert "Staff only" not in client.get("/archive").text


def test_the_first_page_leads_to_the_latest_issue(client):
    home = client.get("/").text
    assert 'href="/archive/daily/1"' in home
    assert "Staff only" not in home
    assert db.session.query(Article).count() == 2
