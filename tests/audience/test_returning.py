"""After leaving: undone for a day, paused, moved to less often; and leaving by mail."""

from datetime import timedelta
from email.message import EmailMessage

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from newsletter import clock, db, errors
from newsletter.audience import consent, leaving_mail, preferences, reader_links, returning, unsubscribe
from newsletter.audience.consent import Origin
from newsletter.audience.models import ConsentKind, LeavingReason, Subscriber
from newsletter.audience.preferences import Wanted
from newsletter.audience.reader_links import ReaderLink
from newsletter.publication import newsletters
from tests.audience import magazine
from tests.conftest import both_engines

ANA = "ana@readers.example"
UNDO = Origin("undo", page="/unsubscribe")


@pytest.fixture
def link(room):
    """Of a reader of The Daily (music, fashion) and The Weekly (art)."""
    magazine.ask(subscriptions=["daily:music", "daily:fashion", "weekly:art"])
    magazine.confirm()
    return ReaderLink(db.session.query(Subscriber).one().id, newsletters.get("daily").id)


def _held():
    found = consent.proof(ANA)["subscriptions"]
    return {f"{each['newsletter']}:{each['topic']}" for each in found if each["state"] == "confirmed"}


@both_engines
@pytest.mark.parametrize("channel", ["link", "one-click", "mail"])
def test_leaving_can_be_undone_for_a_day_and_both_stay_on_record(link, channel):
    unsubscribe.leave(link, Origin(channel))
    assert _held() == {"weekly:art"}
    with time_machine.travel(clock.now() + timedelta(hours=23)):
        assert {wish.name for wish in returning.undo(link, UNDO)} == {"daily:music", "daily:fashion"}
        assert returning.undo(link, UNDO) == []
    assert _held() == {"daily:music", "daily:fashion", "weekly:art"}
    *_, withdrawn, again = consent.proof(ANA)["records"]
    assert (withdrawn["kind"], again["kind"], again["channel"]) == ("withdrawn", "confirmed", "undo")
    assert (again["terms_version"], again["note"]) == (1, "leaving was undone")
    assert consent.proof(ANA)["chain"]["is_whole"]


@both_engines
def test_after_a_day_or_a_complaint_nothing_is_taken_back(link):
    unsubscribe.leave(link, Origin("link"), everything=True)
    with time_machine.travel(clock.now() + timedelta(hours=25)), pytest.raises(errors.Refused):
        returning.undo(link, UNDO)
    reader = db.session.query(Subscriber).one()
    consent.record(ConsentKind.WITHDRAWN, reader, [], Origin("complaint"))
    assert returning.left_lately(link) == []


@both_engines
def test_a_complaint_by_who_had_left_already_ends_the_undoing_too(link):
    unsubscribe.leave(link, Origin("one-click"), everything=True)
    for _ in range(2):
        assert unsubscribe.leave(link, Origin("complaint"), everything=True).already
    with pytest.raises(errors.Refused):
        returning.undo(link, UNDO)
    assert [record["channel"] for record in consent.proof(ANA)["records"]][2:] == ["one-click", "complaint"]


@both_engines
def test_what_was_given_up_by_choice_after_leaving_is_not_taken_back(link):
    unsubscribe.leave(link, Origin("link"), everything=True)
    preferences.choose(link, ["weekly:art", "daily:music"], Origin("preferences"))
    preferences.choose(link, ["daily:music"], Origin("preferences"))
    assert {wish.name for wish in returning.undo(link, UNDO)} == {"daily:fashion"}
    assert _held() == {"daily:music", "daily:fashion"}


def test_a_pause_takes_back_and_holds_mail_until_its_day(link):
    unsubscribe.leave(link, Origin("link"))
    returning.undo(link, UNDO, pause=timedelta(days=30))
    reader = db.session.query(Subscriber).one()
    assert "daily:music" in _held()
    assert reader.paused_until > clock.now() + timedelta(days=29)
    assert preferences.want(link, Wanted(paused_until=clock.now()), UNDO)
    assert preferences.view(link).paused_until is None


@both_engines
def test_less_often_names_the_rarer_digests_with_the_topics_that_were_left(link):
    unsubscribe.leave(link, Origin("link"))
    ((weekly, wished),) = returning.less_often(link, returning.left_lately(link))
    assert (weekly.slug, [wish.name for wish in wished]) == ("weekly", ["weekly:music"])
    weekly_link = ReaderLink(link.subscriber_id, weekly.id)
    assert returning.less_often(weekly_link, returning.left_lately(link)) == []


@both_engines
def test_a_reason_is_kept_once_for_each_leaving_and_names_nobody(link):
    returning.give_reason(link, "often")
    assert db.session.query(LeavingReason).count() == 0
    unsubscribe.leave(link, Origin("link"))
    for reason in ("often", "time"):
        returning.give_reason(link, reason)
    (kept,) = db.session.query(LeavingReason)
    assert (kept.reason, kept.newsletter_id) == ("often", link.newsletter_id)
    with pytest.raises(errors.BadInput):
        returning.give_reason(link, "my own words")


@both_engines
def test_being_measured_is_agreed_to_and_withdrawn_on_its_own_lines(link):
    for agreed in (True, True, False):
        preferences.want(link, Wanted(is_measured=agreed), Origin("preferences"))
    lines = [each for each in consent.proof(ANA)["records"] if each["purpose"] == "measurement"]
    assert [(each["kind"], each["sentence"]) for each in lines] == [
        ("confirmed", preferences.MEASUREMENT),
        ("withdrawn", ""),
    ]
    assert _held() == {"daily:music", "daily:fashion", "weekly:art"}


def _mail(subject):
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "anybody@elsewhere.example", subject
    mail.set_content("Please.")
    return mail.as_bytes()


@both_engines
def test_a_mail_with_the_token_leaves_once_whoever_sends_it_and_however_its_subject_is_folded(link):
    token = reader_links.token(link)
    folded = _mail("here").replace(b"here", f"unsubscribe\n {token[:20]}\n {token[20:]}".encode())
    mails = [_mail(f"unsubscribe {token}"), _mail(f"Re: Unsubscribe  {token}"), folded, folded.replace(b"\n", b"\r\n")]
    for mail in mails:
        left = leaving_mail.read(mail)
        assert left.newsletter == "The Daily"
    assert left.already
    assert _held() == {"weekly:art"}
    assert [each["channel"] for each in consent.proof(ANA)["records"] if each["kind"] == "withdrawn"] == ["mail"]


@both_engines
@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "A", lambda t: "", str.swapcase])
def test_a_mail_with_another_token_does_nothing(link, change):
    assert leaving_mail.read(_mail(f"unsubscribe {change(reader_links.token(link))}")) is None
    assert "daily:music" in _held()


@given(st.binary(max_size=300))
def test_any_bytes_are_a_mail_that_asks_for_nothing(raw):
    assert leaving_mail.read(raw) is None
    assert leaving_mail.read(b"Subject: unsubscribe " + raw) is None
