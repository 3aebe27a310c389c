"""Articles kept: one however often it is seen, brought up to date, tagged by mapping, ready once."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from PIL import Image

from newsletter import db, errors
from newsletter.articles import feeds, pictures, polling, publishing
from newsletter.articles.models import Article, ArticleTopic, TagSource
from newsletter.articles.publishing import Draft, Outcome
from newsletter.publication import topics
from tests.conftest import both_engines
from tests.flows import parts

pytestmark = both_engines

DRAFT = Draft(url="https://m.example/a", headline="A coat", dek="Warm.", guid="g1", categories=("Fashion", "Wool"))


@pytest.fixture
def feed(room):
    for slug, name in (("fashion", "Fashion"), ("tech", "Tech & Gadgets"), ("music", "Music")):
        topics.add(slug, name)
    added = feeds.add("https://m.example/feed", mapping={"Gear": ["tech"]})
    db.session.commit()
    return added


def test_the_same_article_under_other_addresses_in_other_feeds_and_again_is_one(feed):
    other = feeds.add("https://other.example/feed", topics=["music"])
    first = publishing.publish(DRAFT, feed=feed)
    assert first.outcome is Outcome.NEW
    assert publishing.publish(DRAFT, feed=feed).outcome is Outcome.SAME
    tracked = replace(DRAFT, url="http://M.example/a/?utm_source=x", guid="elsewhere", headline="Another wording")
    again = publishing.publish(tracked, feed=other)
    assert again.article.id == first.article.id
    assert again.article.headline == "A coat"
    assert {topic.slug for topic in again.article.topics} == {"fashion", "music"}
    assert [tag.tag for tag in again.article.tags] == ["Wool"]
    moved = publishing.publish(replace(DRAFT, url="https://m.example/b"), feed=feed)
    assert moved.article.id == first.article.id
    assert db.session.query(Article).count() == 1


def test_a_changed_article_is_updated_and_an_editors_topics_stay(feed):
    article = publishing.publish(DRAFT, feed=feed).article
    article.topic_links[:] = [ArticleTopic(topic=topics.find("tech"), position=0, source=TagSource.EDITOR)]
    db.session.flush()
    changed = replace(DRAFT, headline="A coat (UPDATE)", hypes=3952, comments=None)
    assert publishing.publish(changed, feed=feed).outcome is Outcome.UPDATED
    assert (article.headline, article.hypes, [topic.slug for topic in article.topics]) == (
        *("A coat (UPDATE)", 3952),
        ["tech"],
    )
    assert publishing.publish(replace(changed, hypes=None), feed=feed).article.hypes == 3952


def test_categories_become_topics_by_the_feeds_mapping_or_their_own_name(feed):
    gear = publishing.publish(
        replace(DRAFT, url="https://m.example/g", guid="g", categories=("gear", "MUSIC")), feed=feed
    )
    assert [topic.slug for topic in gear.article.topics] == ["tech", "music"]
    none = publishing.publish(replace(DRAFT, url="https://m.example/n", guid="n", categories=("Wool",)), feed=feed)
    assert none.article.ready_at is None


def test_an_article_is_ready_once_it_is_seen_published_tagged_and_not_withheld(feed):
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        past = publishing.publish(replace(DRAFT, published_at=now - timedelta(days=1)), feed=feed, first_fetch=True)
        future = publishing.publish(
            replace(DRAFT, url="https://m.example/f", guid="f", published_at=now + timedelta(days=9)), feed=feed
        )
        undated = publishing.publish(replace(DRAFT, url="https://m.example/u", guid="u"), feed=feed, first_fetch=True)
    assert past.article.ready_at == future.article.ready_at == future.article.published_at == now
    assert undated.article.ready_at is None
    assert undated.article.is_withheld


@pytest.mark.parametrize(
    ("draft", "field"), [(replace(DRAFT, headline="<i> </i>"), "headline"), (replace(DRAFT, url="javascript:x"), "url")]
)
def test_what_cannot_be_an_article_is_refused(feed, draft, field):
    with pytest.raises(errors.BadInput) as caught:
        publishing.publish(draft, feed=feed)
    assert caught.value.field == field


def test_a_poll_keeps_what_is_new_and_says_what_was_wrong(room):
    topics.add("music", "Music")
    db.session.commit()
    with parts.feed_server(parts.rss("One", "Two")) as server:
        feed = feeds.add(f"http://127.0.0.1:{server.server_port}/feed.xml", topics=["music"])
        db.session.commit()
        assert (polling.poll(feed.id).new, polling.poll(feed.id).same) == (2, 2)
        server.document = parts.rss("One", "Two", "Three")[:-25]
        report = polling.poll(feed.id)
        assert (report.new, report.error) == (1, "")
        assert "not well-formed" in feeds.get(feed.id).last_error
        server.document = "nothing of the kind"
        assert "not a feed" in polling.poll(feed.id).error
        assert feeds.get(feed.id).failures == 1
    assert "could not be reached" in polling.poll(feed.id).error
    assert db.session.query(Article).count() == 3


def _picture(kind="JPEG", size=(1600, 900), mode="RGB"):
    stored = io.BytesIO()
    Image.new(mode, size, "teal").save(stored, kind)
    return stored.getvalue()


def test_a_picture_is_kept_as_jpeg_in_two_sizes_and_never_made_larger(room):
    picture = pictures.adopt(_picture())
    assert [(each.label, each.width, each.height) for each in picture.renditions] == [
        ("wide", 1200, 675),
        ("small", 240, 135),
    ]
    url, width, height = pictures.address(picture, "small")
    assert (width, height) == (240, 135)
    assert pictures.content_of(url.rpartition("/")[2])[:2] == b"\xff\xd8"
    small = pictures.adopt(_picture("PNG", (100, 50), "RGBA"))
    assert {each.width for each in small.renditions} == {100}
    with pytest.raises(errors.NotFound):
        pictures.content_of("0" * 64)


@pytest.mark.parametrize("content", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a", _picture()[:500]])
def test_what_is_no_picture_is_refused(room, content):
    with pytest.raises(errors.BadInput):
        pictures.adopt(content)
