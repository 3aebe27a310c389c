"""Leaving and choosing by a reader's link."""

import pytest

from newsletter import db, errors
from newsletter.audience import consent, preferences, reader_links, unsubscribe
from newsletter.audience.consent import Origin
from newsletter.audience.models import Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.outbox import queue
from newsletter.outbox.models import MessageState, Policy
from newsletter.publication import newsletters
from tests.audience import magazine
from tests.conftest import both_engines

pytestmark = both_engines
ONE_CLICK = Origin(channel="one-click")
PAGE = Origin(channel="preferences", page="/preferences")


@pytest.fixture
def link(room, configured):
    """Of a reader of The Daily (music, fashion) and The Weekly (art), with a digest of The Daily queued."""
    magazine.ask(subscriptions=["daily:music", "daily:fashion", "weekly:art"])
    magazine.confirm()
    reader = db.session.query(Subscriber).one()
    run = queue.open_run("issue", 1, policy=Policy.HOLD, lifetime=configured.issue_expiry)
    queue.add(run, [queue.Planned(reader.id, reader.address)])
    db.session.commit()
    return ReaderLink(reader.id, newsletters.get("daily").id)


def _held():
    found = consent.proof("ana@readers.example")["subscriptions"]
    return {f"{each['newsletter']}:{each['topic']}" for each in found if each["state"] == "confirmed"}


def _queued():
    return [mail.state for mail in magazine.mails() if mail.run_id != magazine.mails()[0].run_id]


def test_leaving_ends_that_newsletter_with_one_record_however_often(link):
    lefts = [unsubscribe.leave(link, ONE_CLICK) for _ in range(3)]
    db.session.commit()
    assert [(left.newsletter, left.already) for left in lefts] == [("The Daily", False)] + [("The Daily", True)] * 2
    assert _held() == {"weekly:art"}
    withdrawn = [each for each in consent.proof("ana@readers.example")["records"] if each["kind"] == "withdrawn"]
    assert [(each["channel"], each["wishes"]) for each in withdrawn] == [
        ("one-click", ["daily:music", "daily:fashion"])
    ]


def test_leaving_everything_stops_what_is_queued(link):
    unsubscribe.leave(link, ONE_CLICK, everything=True)
    assert (_held(), _queued()) == (set(), [MessageState.SKIPPED])


def test_leaving_works_when_nothing_is_kept_about_the_reader_any_more(link):
    db.session.query(Subscriber).delete()
    db.session.commit()
    assert unsubscribe.leave(link, ONE_CLICK).already
    with pytest.raises(errors.NotFound):
        preferences.view(link)


def test_choosing_sets_exactly_what_was_chosen_and_records_both_ways(link):
    changed = preferences.choose(link, ["daily:music", "daily:footwear", "breaking:music"], PAGE)
    db.session.commit()
    assert {wish.name for wish in changed.added} == {"daily:footwear", "breaking:music"}
    assert {wish.name for wish in changed.ended} == {"daily:fashion", "weekly:art"}
    assert _held() == {"daily:music", "daily:footwear", "breaking:music"}
    given, withdrawn = consent.proof("ana@readers.example")["records"][-2:]
    assert (given["kind"], given["channel"], given["terms_version"]) == ("confirmed", "preferences", 1)
    assert (withdrawn["kind"], withdrawn["channel"]) == ("withdrawn", "preferences")
    again = preferences.choose(link, ["daily:music", "daily:footwear", "breaking:music"], PAGE)
    assert (again.added, again.ended) == ([], [])


def test_choosing_another_digest_for_a_topic_moves_it(link):
    preferences.choose(link, ["daily:music", "weekly:music"], PAGE)
    assert _held() == {"weekly:music"}
    preferences.choose(link, ["weekly:music", "daily:music", "breaking:music"], PAGE)
    assert _held() == {"daily:music", "breaking:music"}


def test_choosing_nothing_stops_what_is_queued(link):
    preferences.choose(link, [], PAGE)
    assert (_held(), _queued()) == (set(), [MessageState.SKIPPED])


@pytest.mark.parametrize("name", ["staff:music", "daily:art", "hourly:music", ""])
def test_what_is_not_offered_cannot_be_chosen(link, name):
    with pytest.raises(errors.BadInput):
        preferences.choose(link, ["daily:music", name], PAGE)
    db.session.rollback()
    assert _held() == {"daily:music", "daily:fashion", "weekly:art"}


def test_what_was_asked_for_by_a_form_waits_for_its_own_link(link):
    magazine.ask("bo@readers.example", topics=["music"])
    bo = db.session.query(Subscriber).filter_by(address_key="bo@readers.example").one()
    preferences.choose(ReaderLink(bo.id, link.newsletter_id), [], PAGE)
    assert consent.proof("bo@readers.example")["state"] == "pending"


def test_a_reader_link_is_the_same_every_time_and_bound_to_its_purpose(link):
    token = reader_links.token(link)
    assert (reader_links.token(link), reader_links.read(token)) == (token, link)
    with pytest.raises(errors.BadToken):
        reader_links.read(magazine.newest_token())
