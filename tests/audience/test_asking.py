"""Publishing new terms in three ways: only asking again ever stops anyone, after its date."""

from datetime import timedelta

import pytest
import time_machine

from newsletter import clock, db, errors
from newsletter.audience import agreement_letters, asking, consent, preferences, readership, unsubscribe
from newsletter.audience.consent import Origin
from newsletter.audience.models import Subscriber, TermsAsk
from newsletter.audience.reader_links import ReaderLink
from newsletter.outbox import composers, queue
from newsletter.publication import legal, newsletters
from newsletter.publication.models import LegalKind, LegalWay
from tests.audience import magazine
from tests.conftest import both_engines

pytestmark = both_engines
LINK = Origin("link", page="/agree")
ANA, BO = "ana@readers.example", "bo@readers.example"


@pytest.fixture
def readers(room):
    """Two who agreed to the first terms, one who never confirmed."""
    for address in (ANA, BO):
        magazine.ask(address)
        magazine.confirm()
    magazine.ask("pending@readers.example")
    return {each.address: each.id for each in db.session.query(Subscriber)}


def _publish(typed=2, days=14):
    document = asking.publish(
        title="Terms of Use",
        markdown="The second terms.",
        language="en",
        ask_by_at=clock.now() + timedelta(days=days),
        readers=typed,
    )
    db.session.commit()
    while asking.ask_page():
        db.session.commit()
    db.session.commit()
    return document


def _stopped(at=None):
    daily = newsletters.get("daily").id
    stretch = readership.stretch(daily, after=0, limit=10)
    page = db.session.execute(readership.within(daily, stretch, at=at or clock.now()))
    return {each.address: each.reason for each in page}


def _letter(message, document_id):
    row = composers.Row(
        id=message.id,
        kind=asking.MAIL,
        run_ref=document_id,
        ref=None,
        recipient_id=message.recipient_id,
        address=message.address,
        message_id=message.message_id,
        dated_at=clock.now(),
    )
    return agreement_letters.compose(row)


@pytest.mark.parametrize("way", [LegalWay.CORRECTION, LegalWay.TOLD])
def test_correcting_and_telling_stop_nobody_however_long_ago(readers, way):
    legal.publish(LegalKind.TERMS, title="Terms of Use", markdown="The second terms.", way=way)
    db.session.commit()
    assert asking.ask_page() == 0
    assert _stopped(clock.now() + timedelta(days=1000)) == {ANA: "", BO: ""}
    assert consent.proof(ANA)["records"][-1]["terms_version"] == 1


def test_asking_mails_each_reader_once_and_stops_who_has_not_agreed_after_the_date(readers):
    document = _publish()
    mails = [mail for mail in magazine.mails() if mail.run_id == queue.find_run(asking.MAIL, document.id).id]
    assert {mail.address for mail in mails} == {ANA, BO}
    assert asking.ask_page() == 0
    assert b"/agree/" in _letter(mails[0], document.id).content
    after = clock.now() + timedelta(days=15)
    assert _stopped() == {ANA: "", BO: ""}
    assert _stopped(after) == {ANA: readership.TERMS, BO: readership.TERMS}
    token = asking.token(document.id, readers[ANA])
    for _ in range(2):
        assert asking.agree(token, consent.shown(), LINK).is_answered
    db.session.commit()
    assert _stopped(after) == {ANA: "", BO: readership.TERMS}
    records = consent.proof(ANA)["records"]
    assert [each["terms_version"] for each in records] == [1, 1, 2]
    assert len(records[-1]["wishes"]) == 3
    assert _letter(next(mail for mail in mails if mail.address == ANA), document.id).reason == "agreed already"
    # Agreeing late brings the mails back.
    with time_machine.travel(after):
        asking.agree(asking.token(document.id, readers[BO]), consent.shown(), LINK)
    assert _stopped(after) == {ANA: "", BO: ""}


def test_taking_something_new_under_the_new_terms_answers_and_an_old_confirmation_does_not(readers):
    _publish()
    preferences.choose(ReaderLink(readers[ANA], newsletters.get("daily").id), ["daily:music", "breaking:music"], LINK)
    # What was asked for when the first terms were in force.
    magazine.confirm()
    db.session.commit()
    assert _stopped(clock.now() + timedelta(days=15)) == {ANA: "", BO: readership.TERMS, "pending@readers.example": ""}


def test_who_left_meanwhile_gets_no_such_mail(readers):
    document = _publish()
    unsubscribe.leave(ReaderLink(readers[ANA], newsletters.get("daily").id), Origin("link"), everything=True)
    db.session.commit()
    mail = next(each for each in magazine.mails() if each.run_id == queue.find_run(asking.MAIL, document.id).id)
    assert _letter(mail, document.id).reason == "unsubscribed"
    assert db.session.query(TermsAsk).count() == 2


@pytest.mark.parametrize("typed", [None, 1, 3])
def test_asking_needs_the_number_of_readers_typed(readers, typed):
    with pytest.raises(errors.Conflict, match="Type 2 to go on"):
        _publish(typed=typed)
    assert legal.current(LegalKind.TERMS).version == 1


def test_a_privacy_policy_is_never_asked_for_and_a_date_lies_ahead(readers):
    for values in (
        {"kind": LegalKind.PRIVACY, "ask_by_at": clock.now() + timedelta(days=1)},
        {"kind": LegalKind.TERMS, "ask_by_at": clock.now() - timedelta(days=1)},
        {"kind": LegalKind.TERMS, "ask_by_at": None},
    ):
        with pytest.raises(errors.BadInput):
            legal.publish(title="Text", markdown="New.", way=LegalWay.ASKED, **values)
