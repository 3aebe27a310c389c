"""The sample magazine: what it brings, that it keeps the promises of delivery, and that it goes without a trace."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from newsletter import clock, db, errors, invariants
from newsletter.articles import publishing
from newsletter.articles.models import Article
from newsletter.audience.models import ConsentKind, ConsentRecord, Subscriber, Subscription, SubscriptionState
from newsletter.demo import history, loading, magazine, readers
from newsletter.issues import composing, lifecycle, runs
from newsletter.issues.models import Issue
from newsletter.outbox import queue
from newsletter.outbox.models import Suppression
from newsletter.publication import legal, newsletters, topics
from newsletter.publication.models import LegalKind
from tests.conftest import both_engines


@both_engines
def test_it_is_a_magazine_at_work(room, texts):
    loaded = loading.load()
    assert loaded == {"topics": 8, "newsletters": 3, "articles": 40, "readers": 240, "issues": 5}
    states = [(each.newsletter.slug, lifecycle.shown_state(each)) for each in db.session.scalars(select(Issue))]
    assert Counter(states) == {("daily", "sent"): 3, ("weekly", "draft"): 1, ("breaking", "scheduled"): 1}
    assert len(legal.versions(LegalKind.TERMS)) == 2
    assert _broken() == []


@both_engines
def test_its_readers_are_in_every_state_and_some_200_of_them_may_be_written_to(room, texts):
    loading.load()
    states = set(db.session.scalars(select(Subscription.state).distinct()))
    assert states == set(SubscriptionState)
    kinds = set(db.session.scalars(select(ConsentRecord.kind).distinct()))
    assert kinds == set(ConsentKind)
    assert _count(Suppression) >= 5
    assert db.session.scalar(select(func.count(Subscriber.id)).where(Subscriber.paused_until > clock.now()))
    confirmed = select(Subscription.subscriber_id).filter_by(state=SubscriptionState.CONFIRMED).distinct()
    stopped = select(Subscriber.id).join(Suppression, Suppression.address == Subscriber.address_key)
    writable = set(db.session.scalars(confirmed)) - set(db.session.scalars(stopped))
    assert 190 <= len(writable) <= 215
    assert all(address.endswith("@readers.example") for address in db.session.scalars(select(Subscriber.address)))


@both_engines
def test_the_sent_issues_have_bounces_and_the_waiting_one_goes_to_some_200_readers(room, texts):
    loading.load()
    sent = [queue.counts(run) for each in _issues("daily") if (run := runs.find(each))]
    assert all(counts["sent"] > 80 for counts in sent)
    assert sum(counts["bounced"] for counts in sent) > 0
    assert {name for counts in sent for name, number in counts.items() if number} == {"sent", "bounced"}
    [waiting] = _issues("weekly")
    figures = composing.figures(waiting)
    assert waiting.held_reason == ""
    assert 180 <= figures.readers <= 215
    assert figures.articles > 10


@pytest.mark.parametrize(
    "opened_at",
    [
        datetime(2026, 11, 23, 5, 59, tzinfo=UTC),  # a minute before the morning's issue
        datetime(2026, 11, 23, 6, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # the night the clocks go forward in its zone
        datetime(2026, 10, 25, 8, 0, tzinfo=UTC),  # a Sunday, when the Weekly is due
        datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
    ],
)
def test_it_can_be_loaded_at_any_hour(room, texts, opened_at):
    with clock.standing_at(opened_at):
        loading.load()
        [breaking], [weekly] = _issues("breaking"), _issues("weekly")
        assert breaking.send_at > opened_at
        assert composing.figures(weekly).readers > 150
        assert all(each.released_at < opened_at for each in _issues("daily"))
        assert not db.session.scalars(select(Article).where(Article.published_at > opened_at)).all()
    assert _broken() == []


@both_engines
def test_loading_it_again_changes_nothing(room, texts):
    first = loading.load()
    rows = _rows()
    assert loading.load() == first
    assert _rows() == rows


@both_engines
def test_removing_it_leaves_no_row_behind(room, texts):
    before = _rows()
    loading.load()
    removed = loading.remove()
    assert removed["readers"] == 240
    assert _rows() == before
    assert loading.remove() == {}


def test_an_interrupted_load_is_begun_anew(room, texts, monkeypatch):
    def fail() -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(history, "tell", fail)
        with pytest.raises(OSError):
            loading.load()
    db.session.rollback()
    assert loading.load()["issues"] == 5
    assert _broken() == []


def test_a_database_in_use_is_refused_and_left_as_it_is(room, texts):
    topics.add("music", "Music")
    newsletters.save("ours", newsletters.Plan("Ours", ["music"]))
    db.session.commit()
    before = _rows()
    with pytest.raises(errors.Conflict):
        loading.load()
    assert _rows() == before


def test_removing_it_keeps_what_others_made(room, texts):
    topics.add("music", "Our music")
    loading.load()
    newsletters.save("ours", newsletters.Plan("Ours", ["music", "design"]))
    publishing.publish(publishing.Draft(url="https://magazine.example/own", headline="Our own", topics=("art",)))
    db.session.add(Subscriber(address="a@b.example", address_key="a@b.example", created_at=clock.now()))
    db.session.commit()
    loading.remove()
    assert [each.slug for each in newsletters.all()] == ["ours"]
    assert newsletters.default().slug == "ours"
    assert {each.slug for each in topics.all()} == {"music", "design", "art"}
    assert [each.headline for each in db.session.scalars(select(Article))] == ["Our own"]
    assert db.session.scalars(select(Subscriber.address)).all() == ["a@b.example"]


def test_every_picture_named_is_there_and_described():
    for story in magazine.stories():
        if story.picture:
            assert (magazine.PICTURES / f"{story.picture}.jpg").is_file()
            assert story.alt


def test_no_two_readers_have_one_address():
    addresses = [person.address for person in readers.everybody()]
    assert len(set(addresses)) == len(addresses) == 240


def _issues(slug):
    newsletter = newsletters.get(slug)
    return db.session.scalars(select(Issue).filter_by(newsletter_id=newsletter.id).order_by(Issue.id)).all()


def _broken():
    return [finding.rule.name for finding in invariants.check() if finding.offenders]


def _count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def _rows():
    db.session.rollback()
    tables = db.Base.metadata.sorted_tables
    counts = {table.name: db.session.scalar(select(func.count()).select_from(table)) for table in tables}
    db.session.rollback()
    return counts
