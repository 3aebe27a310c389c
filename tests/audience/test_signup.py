"""Signing up: what is stored, what is mailed, and to whom it makes no difference."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy
import time_machine

from newsletter import clock, db, errors, limits
from newsletter.audience import consent, letters, signup, verifying
from newsletter.audience.consent import Origin
from newsletter.audience.models import ConsentDetail, ConsentRecord, SignupRequest, Subscriber, Subscription
from newsletter.outbox import composers, suppression
from newsletter.outbox.models import Message, MessageState, SuppressionReason
from newsletter.publication import legal
from newsletter.publication.models import LegalKind
from tests.audience import magazine
from tests.conftest import both_engines

pytestmark = both_engines


def _state(address="ana@readers.example"):
    proof = consent.proof(address)
    return proof["state"], {f"{each['newsletter']}:{each['topic']}" for each in proof["subscriptions"]}


def _letter(message):
    row = composers.Row(
        id=message.id,
        kind="confirmation",
        run_ref=0,
        ref=None,
        recipient_id=message.recipient_id,
        address=message.address,
        message_id=message.message_id,
        dated_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    return letters.compose(row)


def test_a_sign_up_is_pending_with_proof_and_one_mail_until_the_button_is_pressed(room):
    magazine.ask(newsletters=["daily"], topics=["music", "footwear"])
    assert _state() == ("pending", {"daily:music", "daily:footwear"})
    (mail,) = magazine.mails()
    assert (mail.address, mail.state) == ("ana@readers.example", MessageState.QUEUED)
    magazine.confirm()
    proof = consent.proof("ANA@readers.example")
    assert proof["state"] == "confirmed"
    requested, confirmed = proof["records"]
    sentence = "I agree to the Terms of Use and have read the Privacy Policy."
    for record, origin in ((requested, magazine.FORM), (confirmed, magazine.LINK)):
        assert (record["sentence"], record["terms_version"], record["privacy_version"]) == (sentence, 1, 1)
        assert (record["source_address"], record["agent"]) == (origin.source_address, "Browser")
        assert record["wishes"] == ["daily:music", "daily:footwear"]
    assert requested["page"] == "/subscribe"


@pytest.mark.parametrize(
    ("asked", "wishes"),
    [
        ({}, {"daily:music", "daily:fashion", "daily:footwear"}),
        ({"topics": ["art", "music"]}, {"daily:music"}),
        ({"newsletters": ["weekly"]}, {"weekly:music", "weekly:art"}),
        (
            {"newsletters": ["daily", "weekly"], "topics": ["music", "art"]},
            {"daily:music", "weekly:music", "weekly:art"},
        ),
        ({"newsletters": ["daily"], "subscriptions": ["weekly:art", "weekly:art"]}, {"weekly:art"}),
    ],
)
def test_newsletters_and_topics_make_wishes_cut_to_what_each_carries(room, asked, wishes):
    magazine.ask(**asked)
    assert _state()[1] == wishes


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"email": "ana"}, "email"),
        ({"terms": False}, "terms"),
        ({"newsletters": ["hourly"]}, "newsletters"),
        ({"newsletters": ["staff"]}, "newsletters"),  # not public, so not there
        ({"topics": ["opera"]}, "topics"),
        ({"newsletters": ["breaking"], "topics": ["art"]}, "topics"),
        ({"subscriptions": ["daily:art"]}, "topics"),
        ({"subscriptions": ["staff:music"]}, "newsletters"),
        ({"subscriptions": [":"]}, "newsletters"),
    ],
)
def test_what_cannot_be_is_refused_by_field_and_nothing_is_stored(room, asked, field):
    with pytest.raises(errors.BadInput) as caught:
        magazine.ask(**asked)
    assert caught.value.field == field
    db.session.rollback()
    assert [db.session.query(model).count() for model in (Subscriber, ConsentRecord, SignupRequest, Message)] == [0] * 4


def test_confirming_twice_is_harmless_and_a_used_link_never_brings_back_who_left(room):
    magazine.ask()
    assert not magazine.confirm().already
    records = db.session.query(ConsentRecord).count()
    for row in db.session.query(Subscription):
        row.state = "ended"
    db.session.commit()
    assert magazine.confirm().already
    assert (_state()[0], db.session.query(ConsentRecord).count()) == ("ended", records)


def test_a_confirmed_readers_sign_up_changes_nothing_until_the_mail_is_answered(room):
    magazine.ask(topics=["music"])
    magazine.confirm()
    with time_machine.travel(clock.now() + timedelta(hours=2), tick=False):
        magazine.ask(topics=["footwear"])
        assert _state() == ("confirmed", {"daily:music"})
        wire = _letter(magazine.mails()[-1])
        assert b"Subject: Add Footwear to The Daily?" in wire.content
        magazine.confirm()
    assert _state() == ("confirmed", {"daily:music", "daily:footwear"})


def test_the_mail_is_chosen_by_what_the_reader_has_when_it_is_sent(room):
    magazine.ask(topics=["music"])
    first = _letter(magazine.mails()[0])
    assert b"/confirm/" in first.content
    assert first == _letter(magazine.mails()[0])  # every attempt sends the same bytes
    magazine.confirm()
    assert isinstance(_letter(magazine.mails()[0]), composers.Skipped)
    with time_machine.travel(clock.now() + timedelta(hours=2), tick=False):
        magazine.ask(topics=["music"])
        again = _letter(magazine.mails()[1])
    assert b"/preferences/" in again.content
    assert b"/confirm/" not in again.content


def test_an_address_gets_one_mail_an_hour_and_three_a_month_and_past_that_nothing_is_stored(room):
    start = clock.now()
    for hour in range(12):
        with time_machine.travel(start + timedelta(hours=hour, minutes=1), tick=False):
            magazine.ask()
            magazine.ask(email="ANA@readers.example", topics=["music"])
    assert len(magazine.mails()) == 3
    assert db.session.query(SignupRequest).count() == 3


def test_one_network_cannot_flood_and_does_not_use_up_its_victims_mails(room, configured):
    for number in range(configured.signups_per_network + 5):
        magazine.ask(f"r{number}@readers.example")
    assert len(magazine.mails()) == configured.signups_per_network
    late = f"r{configured.signups_per_network + 1}@readers.example"
    magazine.ask(late, origin=Origin(channel="form", source_address="2001:db8:1::1"))
    assert magazine.mails()[-1].address == late


def test_networks_are_counted_by_24_and_64_bits(room):
    for address in ("192.0.2.1", "192.0.2.250", "::ffff:192.0.2.9", "2001:db8::1", "2001:db8::2:1", "nonsense", ""):
        magazine.ask(
            f"{address.replace(':', '.').strip('.') or 'none'}@readers.example".replace("..", "."),
            origin=Origin("form", "", address),
        )
    names = set(db.session.scalars(sqlalchemy.select(limits.Bucket.key)))
    networks = {name for name in names if name.startswith("signup:network:")}
    assert networks == {f"signup:network:{each}" for each in ("192.0.2.0/24", "2001:db8::/64", "unknown")}


def test_after_a_hard_bounce_one_confirmation_a_week_goes_and_confirming_lifts_it(room):
    suppression.suppress("ana@readers.example", SuppressionReason.HARD_BOUNCE)
    start = clock.now()
    for day in range(3):
        with time_machine.travel(start + timedelta(days=day), tick=False):
            magazine.ask()
    (mail,) = magazine.mails()
    assert mail.state is MessageState.QUEUED
    magazine.confirm()
    assert not suppression.is_suppressed("ana@readers.example")


@pytest.mark.parametrize("reason", [SuppressionReason.COMPLAINT, SuppressionReason.REQUEST])
def test_after_a_complaint_the_form_stores_and_sends_nothing(room, reason):
    suppression.suppress("ana@readers.example", reason)
    db.session.commit()
    magazine.ask("Ana@readers.example")
    assert (magazine.mails(), db.session.query(Subscriber).count()) == ([], 0)


def test_a_link_of_another_kind_or_too_old_confirms_nothing(room, configured):
    magazine.ask()
    with pytest.raises(errors.BadToken):
        signup.confirm("x" + magazine.newest_token(), magazine.LINK)
    with (
        time_machine.travel(clock.now() + configured.confirmation_lifetime + timedelta(seconds=1)),
        pytest.raises(errors.ExpiredToken),
    ):
        magazine.confirm()
    db.session.rollback()
    assert _state()[0] == "pending"


def test_sign_up_is_closed_until_the_texts_are_the_magazines_own(room, configured, monkeypatch):
    monkeypatch.setattr(type(configured), "is_development", False)
    with pytest.raises(errors.Refused):
        magazine.ask()
    db.session.rollback()
    for kind in LegalKind:
        legal.publish(kind, title="Ours", markdown="Our own.")
    magazine.ask()
    assert consent.proof("ana@readers.example")["records"][0]["terms_version"] == 2


def test_people_who_never_confirmed_are_deleted_and_nobody_else_is(room, configured):
    magazine.ask("never@readers.example")
    magazine.ask("stays@readers.example")
    magazine.confirm()
    later = clock.now() + configured.unconfirmed_lifetime + timedelta(days=1)
    assert signup.delete_unconfirmed(clock.now()) == 0
    assert signup.delete_unconfirmed(later) == 1
    db.session.commit()
    assert [each.address for each in db.session.query(Subscriber)] == ["stays@readers.example"]
    # Of who was deleted a closed chain stays that says nothing about anybody.
    assert [(each.subscriber_id, each.kind) for each in db.session.query(ConsentRecord).order_by(ConsentRecord.id)] == [
        (1, "requested"),
        (2, "requested"),
        (2, "confirmed"),
        (1, "erased"),
    ]
    assert {each.subscriber_id for each in db.session.query(ConsentDetail)} == {2}
    assert verifying.broken() == []


def test_who_left_and_asked_again_in_vain_keeps_the_proof(room, configured):
    magazine.ask()
    magazine.confirm()
    for row in db.session.query(Subscription):
        row.state = "ended"
    db.session.commit()
    with time_machine.travel(clock.now() + timedelta(days=2)):
        magazine.ask()
        assert _state()[0] == "pending"
        signup.delete_unconfirmed(clock.now() + configured.unconfirmed_lifetime + timedelta(days=1))
        db.session.commit()
    assert _state()[0] == "ended"
    assert len(consent.proof("ana@readers.example")["records"]) == 3


def test_twenty_presses_at_once_make_one_subscriber_and_one_mail(app, client, room):
    barrier, answers = threading.Barrier(20), []

    def press(token):
        browser = app.test_client()
        barrier.wait()
        fields = {"email": "ana@readers.example", "terms": "yes", "form": token}
        answers.append(browser.post("/subscribe", data=fields))

    with time_machine.travel(clock.now() - timedelta(minutes=1)):
        page = client.get("/subscribe").text
    token = page.partition('name="form" value="')[2].partition('"')[0]
    threads = [threading.Thread(target=press, args=(token,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert len(magazine.mails()) == 1
    assert db.session.query(Subscriber).count() == 1
