"""Loading the sample magazine and taking it away again."""

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from newsletter import clock, db, errors, invariants, models, settings
from newsletter.articles.models import Article
from newsletter.audience import consent, directory
from newsletter.demo import history, loading, magazine, marking, readers
from newsletter.demo.readers import Fate
from newsletter.issues import agenda, archive, composing, lifecycle, planning, progress
from newsletter.outbox.models import Message
from newsletter.publication import legal, masthead, newsletters, topics
from newsletter.publication.models import LegalKind, NewsletterKind
from tests.conftest import both_engines


def _rows():
    """How many rows each table has, without the empty ones."""
    found = {
        table.name: db.session.scalar(select(func.count()).select_from(table)) for table in models.TABLES.sorted_tables
    }
    return {name: count for name, count in found.items() if count}


@both_engines
def test_the_sample_loads_whole_twice_is_once_and_of_it_only_consent_that_names_nobody_stays(room, texts):
    before = _rows()
    assert loading.load() == {"topics": 8, "newsletters": 3, "articles": 40, "readers": 240, "issues": 5}
    loaded = _rows()
    assert loading.load()["readers"] == 240
    assert _rows() == loaded
    assert [finding for finding in invariants.check() if finding.offenders] == []
    _check_desk()
    _check_readers()
    loading.remove()
    kept = ("consent_record", "legal_document", "growth_mark")
    assert {name: rows for name, rows in _rows().items() if name not in kept} == {
        name: rows for name, rows in before.items() if name not in kept
    }
    assert [finding for finding in invariants.check() if finding.offenders] == []
    assert loading.remove() == {}


def _check_desk():
    shown = [(issue.newsletter.slug, lifecycle.shown_state(issue)) for issue in reversed(lifecycle.latest())]
    assert shown == [("daily", "sent")] * 3 + [("breaking", "scheduled"), ("weekly", "draft")]
    assert [issue.newsletter.slug for issue in agenda.waiting()] == ["weekly"]
    weekly, breaking = lifecycle.latest()[:2]
    assert composing.figures(weekly).readers == 199
    assert breaking.send_at > clock.now() + timedelta(hours=1)
    assert len(breaking.stories) == 1
    assert len(archive.issues()) == 3
    sent = [progress.status(issue) for issue in archive.issues()]
    assert all(each["planned"] == each["sent"] + each["bounced"] > 50 for each in sent)
    assert sum(each["bounced"] for each in sent) > 0
    assert {each["uncertain"] for each in sent} == {0}


def _check_readers():
    standings = directory.counts()
    assert set(standings.values()).isdisjoint({0})
    assert standings[directory.Standing.CONFIRMED] == 199
    by_fate = {person.fate: person for person in readers.everybody()}
    for fate, kinds in (
        (Fate.STAYED, ["requested", "confirmed"]),
        (Fate.PENDING, ["requested"]),
        (Fate.LEFT, ["requested", "confirmed", "withdrawn"]),
        (Fate.COMPLAINED, ["requested", "confirmed", "withdrawn"]),
        (Fate.RECONFIRM, ["imported"]),
    ):
        records = consent.proof(by_fate[fate].address)["records"]
        assert [record["kind"] for record in records] == kinds, fate
        assert [record["at"] for record in records] == sorted(record["at"] for record in records)


def test_terms_have_two_dated_versions_and_readers_agreed_to_the_one_of_their_day(room, texts):
    loading.load()
    newer, older = legal.versions(LegalKind.TERMS)
    assert older.published_at < newer.published_at < clock.now() - timedelta(days=30)
    agreed = {
        consent.proof(person.address)["records"][0]["terms_version"]
        for person in readers.everybody()
        if not person.is_imported
    }
    assert agreed == {1, 2}
    assert masthead.current().name == magazine.magazine().name


def test_whoever_signs_up_first_of_all_gets_stories_from_the_issue_that_waits(room, texts):
    loading.load()
    weekly = newsletters.default()
    assert (weekly.slug, weekly.kind) == ("weekly", NewsletterKind.SELECTION)
    issue = composing.open_issue(weekly)
    assert {topic.slug for entry in issue.stories for topic in entry.article.topics} == set(magazine.magazine().topics)
    lifecycle.approve(issue, actor="test")
    lifecycle.send_now(issue, actor="test")
    db.session.commit()
    planning.release(issue.id)
    assert db.session.scalar(select(func.count(Message.id)).where(Message.state == "queued")) == 199
    assert [finding for finding in invariants.check() if finding.offenders] == []


def test_it_is_refused_beside_newsletters_of_ones_own_and_leaves_nothing_half_done(room, texts):
    topics.add("opera", "Opera")
    newsletters.save("own", newsletters.Plan("Our own", ["opera"]))
    db.session.commit()
    before = _rows()
    with pytest.raises(errors.Conflict, match="of its own"):
        loading.load()
    assert _rows() == before


def test_it_is_refused_in_production_where_its_texts_would_take_the_place_of_the_magazines(room, texts):
    before, present = _rows(), settings.current()
    settings.use(dataclasses.replace(present, env="production"))
    try:
        with pytest.raises(errors.Conflict, match="in development only"):
            loading.load()
    finally:
        settings.use(present)
    assert _rows() == before


def test_an_interrupted_load_is_begun_anew(room, texts, monkeypatch):
    def fail():
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(history, "tell", fail)
        with pytest.raises(KeyboardInterrupt):
            loading.load()
    db.session.rollback()
    assert loading.load()["issues"] == 5
    assert db.session.scalar(select(func.count(Article.id))) == 40


@both_engines
def test_what_somebody_else_uses_stays_when_it_goes(room, texts):
    loading.load()
    newsletters.save("own", newsletters.Plan("Our own", ["music"]))
    own = composing.compose(newsletters.get("own"))
    db.session.commit()
    carried = {entry.article_id for entry in own.stories}
    loading.remove()
    assert [newsletter.slug for newsletter in newsletters.all()] == ["own"]
    assert newsletters.default().slug == "own"
    assert set(db.session.scalars(select(Article.id))) == carried
    assert "music" in {topic.slug for topic in topics.all()}
    assert "gaming" not in {topic.slug for topic in topics.all()} or any(
        topic.slug == "gaming" for entry in own.stories for topic in entry.article.topics
    )
    assert db.session.scalar(text("SELECT count(*) FROM subscriber")) == 0
    assert marking.find() is None
