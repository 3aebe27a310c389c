"""The growth of the readership: counted once, at any moment, and the same as a full count of who reads."""

import dataclasses
import io
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from newsletter import clock, db, errors, settings
from newsletter.audience import consent, importing, moving, preferences, returning, unsubscribe
from newsletter.audience.models import LinkKind, LinkRequest, Subscriber, Subscription, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.feedback import counting, growth
from newsletter.feedback.models import GrowthDay, IssueLeft
from newsletter.issues.models import Issue, IssueState
from newsletter.privacy import erase
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter, Topic
from tests.audience import magazine
from tests.conftest import both_engines

START = datetime(2026, 9, 1, 12, tzinfo=UTC)
PAGE, ONE_CLICK = consent.Origin("preferences", page="/preferences"), consent.Origin("one-click")
WISHES = ("daily:music", "daily:fashion", "daily:footwear", "weekly:music", "weekly:art", "breaking:music")


@pytest.fixture
def time(room, configured):
    settings.use(dataclasses.replace(configured, counting_lag=timedelta(0), signups_per_network=1000))
    with time_machine.travel(START, tick=False) as traveller:
        magazine.found()
        yield traveller


def _full_count() -> dict[tuple[str, str], int]:
    """Who reads now, told from the subscriptions themselves."""
    taken = select(Subscription.subscriber_id, Newsletter.slug, Topic.slug).where(
        Subscription.newsletter_id == Newsletter.id,
        Subscription.topic_id == Topic.id,
        Subscription.state == SubscriptionState.CONFIRMED,
    )
    people: set[tuple[int, tuple[str, str]]] = set()
    for reader, newsletter, topic in db.session.execute(taken):
        people |= {(reader, ("", "")), (reader, (newsletter, "")), (reader, ("", topic))}
    return dict(Counter(scope for _, scope in people))


def _counted() -> dict[tuple[str, str], int]:
    return {scope: found.readers for scope, found in growth.by_scope(1).items() if found.readers}


def _link(number: int) -> ReaderLink | None:
    reader = db.session.scalars(select(Subscriber).filter_by(address_key=f"r{number}@readers.example")).first()
    return ReaderLink(reader.id, newsletters.get("daily").id) if reader else None


def _sign_up(chance: random.Random, number: int) -> None:
    magazine.ask(f"r{number}@readers.example", subscriptions=chance.sample(WISHES, chance.randint(1, 3)))
    if chance.random() < 0.7:
        magazine.confirm()


def _import(chance: random.Random, number: int) -> None:
    proof = "confirmed,2024-05-01T10:00:00Z,Form" if chance.random() < 0.5 else "pending,,"
    rows = f"email,newsletters,status,consent_at,consent_source\nr{number}@readers.example,daily;weekly,{proof}\n"
    importing.import_csv(io.BytesIO(rows.encode()))


def _choose(chance: random.Random, number: int) -> None:
    if link := _link(number):
        preferences.choose(link, chance.sample(WISHES, chance.randint(0, 4)), PAGE)


def _leave(chance: random.Random, number: int) -> None:
    if link := _link(number):
        unsubscribe.leave(link, ONE_CLICK, everything=chance.random() < 0.5)


def _come_back(_chance: random.Random, number: int) -> None:
    if link := _link(number):
        returning.undo(link, ONE_CLICK)


def _move(chance: random.Random, number: int) -> None:
    if link := _link(number):
        reader = db.session.get_one(Subscriber, link.subscriber_id)
        private = LinkRequest(
            subscriber_id=reader.id,
            kind=LinkKind.PRIVATE,
            address=reader.address,
            created_at=clock.now(),
            expires_at=clock.now() + timedelta(hours=1),
        )
        db.session.add(private)
        moving.ask(private, f"r{chance.randrange(6)}@readers.example", PAGE)
        db.session.commit()
        request = db.session.scalars(select(LinkRequest).filter_by(kind=LinkKind.MOVE).order_by(LinkRequest.id.desc()))
        moving.confirm(moving.fresh_links.token(request.first()), PAGE)


def _erase(_chance: random.Random, number: int) -> None:
    if link := _link(number):
        erase.erase(link.subscriber_id)


@both_engines
def test_days_add_up_to_a_full_count_whatever_happens_and_whenever_it_is_counted(time):
    chance = random.Random(7)
    acts = [_sign_up, _sign_up, _sign_up, _import, _choose, _leave, _come_back, _move, _erase]
    for _ in range(45):
        time.shift(timedelta(hours=chance.randint(1, 9)))
        try:
            chance.choice(acts)(chance, chance.randrange(6))
            db.session.commit()
        except errors.NewsletterError:
            db.session.rollback()
        if chance.random() < 0.2:
            counting.catch_up()
            assert _counted() == _full_count()
    while counting.count_page(limit=3):
        db.session.commit()
    assert _counted() == _full_count()
    piecemeal = set(growth.every())
    db.session.query(GrowthDay).delete()
    db.session.query(counting.GrowthMark).delete()
    counting.catch_up()
    assert set(growth.every()) == piecemeal
    spans = growth.spans(90)
    assert sum(span.net for span in spans) == spans[-1].readers == _full_count().get(("", ""), 0)
    assert [span.net for span in growth.spans(365)] != []


@both_engines
def test_a_second_topic_is_no_second_coming_and_days_are_the_magazines(time):
    newsletters.get("daily").zone = "Europe/Berlin"
    time.move_to(datetime(2026, 9, 1, 22, 30, tzinfo=UTC))
    magazine.ask("ana@readers.example", subscriptions=["daily:music"])
    magazine.confirm()
    reader = db.session.query(Subscriber).one()
    preferences.choose(ReaderLink(reader.id, newsletters.get("daily").id), ["daily:music", "daily:fashion"], PAGE)
    db.session.commit()
    assert counting.catch_up() > 0
    assert counting.catch_up() == 0
    rows = [(f"{day}", newsletter, topic, joined) for day, newsletter, topic, joined, _ in growth.every()]
    assert rows == [("2026-09-02", *scope, 1) for scope in (("", ""), ("", "fashion"), ("", "music"), ("daily", ""))]


@both_engines
def test_who_leaves_is_told_with_the_issue_before_it(time):
    for number in range(4):
        magazine.ask(f"r{number}@readers.example", subscriptions=["daily:music", "weekly:music"])
        magazine.confirm()
    daily = newsletters.get("daily").id
    first, second = (_issue(daily, number, START + timedelta(days=number)) for number in (1, 2))
    for number, days in ((0, 1), (1, 1.5), (2, 2.5), (3, 9.5)):
        time.move_to(START + timedelta(days=days, minutes=1))
        unsubscribe.leave(_link(number), ONE_CLICK)
        db.session.commit()
    counting.catch_up()
    assert dict(db.session.execute(select(IssueLeft.issue_id, IssueLeft.number)).all()) == {first: 2, second: 1}
    assert growth.lately(11) == growth.Growth(4, 4, 0), "The Weekly they still get"
    assert growth.lately(11, newsletter="daily") == growth.Growth(0, 4, 4)


@both_engines
def test_on_postgresql_the_newest_lines_wait_until_all_before_them_are_in(time, configured):
    settings.use(dataclasses.replace(configured, counting_lag=timedelta(seconds=60)))
    magazine.ask("ana@readers.example", subscriptions=["daily:music"])
    magazine.confirm()
    is_sqlite = db.session.get_bind().dialect.name == "sqlite"
    assert bool(counting.catch_up()) is is_sqlite
    time.shift(timedelta(seconds=60))
    counting.catch_up()
    assert growth.readers() == db.session.scalar(select(func.count(Subscriber.id))) == 1
    assert growth.counted_at() == clock.now() - timedelta(seconds=0 if is_sqlite else 60)


def _issue(newsletter_id: int, number: int, at: datetime) -> int:
    issue = Issue(
        newsletter_id=newsletter_id,
        number=number,
        state=IssueState.RELEASED,
        cutoff_at=at,
        look_back_from=at,
        created_at=at,
        released_at=at,
    )
    db.session.add(issue)
    db.session.commit()
    return issue.id
