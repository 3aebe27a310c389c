"""The readers of a newsletter, page by page, with what each one takes."""

from newsletter import clock, db
from newsletter.audience import readership
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.publication import newsletters
from tests.conftest import both_engines

pytestmark = both_engines
PEOPLE = range(1, 61)


def test_a_page_holds_the_next_readers_whoever_stands_between_them(room):
    for number in PEOPLE:
        _join(number, "weekly", 0, 1)
    for number in (3, 4, 5, 50, 60):
        _join(number, "daily", number % 3, (number + 1) % 3)
    _join(7, "daily", 0, state=SubscriptionState.PENDING)
    db.session.commit()
    assert _pages("daily", limit=3) == [[3, 4, 5], [50, 60]]
    assert _pages("daily", limit=4) == [[3, 4, 5, 50], [60]]
    assert _pages("daily", limit=1) == [[3], [4], [5], [50], [60]]
    assert _pages("weekly", limit=60) == [list(PEOPLE)]
    assert _pages("breaking", limit=60) == []


def _join(number, slug, *places, state=SubscriptionState.CONFIRMED):
    now, newsletter = clock.now(), newsletters.get(slug)
    if db.session.get(Subscriber, number) is None:
        address = f"reader{number}@readers.example"
        db.session.add(Subscriber(id=number, address=address, address_key=address, zone="", created_at=now))
        db.session.flush()
    for place in places:
        topic_id = newsletter.topics[place].id
        wish = {"subscriber_id": number, "newsletter_id": newsletter.id, "topic_id": topic_id}
        db.session.add(Subscription(**wish, state=state, created_at=now))


def _pages(slug, *, limit):
    """The ids of the readers on each page, all of whose rows say what the reader takes."""
    newsletter_id, after, found = newsletters.get(slug).id, 0, []
    while stretch := readership.stretch(newsletter_id, after=after, limit=limit):
        rows = db.session.execute(readership.within(newsletter_id, stretch, at=clock.now())).all()
        assert stretch.readers == len(rows)
        assert all(readership.taken(row.topics, newsletter_id) == _taken(row.reader_id, newsletter_id) for row in rows)
        found.append(sorted(row.reader_id for row in rows))
        after = stretch.last_id
    return found


def _taken(reader_id, newsletter_id):
    wishes = db.session.query(Subscription).filter_by(subscriber_id=reader_id, state=SubscriptionState.CONFIRMED)
    here = frozenset(each.topic_id for each in wishes if each.newsletter_id == newsletter_id)
    return here, frozenset(each.topic_id for each in wishes)
