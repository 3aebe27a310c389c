"""What a reader does by a link, as pages: leaving and its offers, preferences, what is private for an hour."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter import clock, db, settings
from newsletter.audience import consent, fresh_links, reader_links
from newsletter.audience.models import LinkKind, LinkRequest, SignupRequest, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.outbox.models import Message
from newsletter.publication import newsletters
from tests.audience import magazine

ANA, BO = "ana@readers.example", "bo@readers.example"


@pytest.fixture(autouse=True)
def _magazine(room):
    magazine.found()


@pytest.fixture
def token(room):
    """Of a reader of The Daily (music, fashion) and The Weekly (art)."""
    magazine.ask(subscriptions=["daily:music", "daily:fashion", "weekly:art"])
    magazine.confirm()
    link = ReaderLink(db.session.query(Subscriber).one().id, newsletters.get("daily").id)
    db.session.rollback()
    return reader_links.token(link)


def _held(address=ANA):
    db.session.rollback()
    found = consent.proof(address)["subscriptions"]
    return {f"{each['newsletter']}:{each['topic']}" for each in found if each["state"] == "confirmed"}


def _hidden(page, form):
    """The hidden fields of the form whose button says `form`."""
    whole = next(part for part in re.findall(r"<form.*?</form>", page, re.DOTALL) if form in part)
    fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', whole)
    return {name: [value for each, value in fields if each == name] for name, _ in fields}


def _private(client):
    """The link that was mailed, by its request."""
    db.session.rollback()
    request = db.session.query(LinkRequest).filter_by(kind="private").order_by(LinkRequest.id.desc()).first()
    found = fresh_links.token(request)
    db.session.rollback()
    return f"/preferences/private/{found}"


def test_leaving_acts_first_then_offers_and_each_offer_is_one_press(client, token):
    assert "One press, and a•••@readers.example" in client.get(f"/unsubscribe/{token}").text
    left = client.post(f"/unsubscribe/{token}").text
    assert _held() == {"weekly:art"}
    assert "You have left The Daily" in left
    # Opened again, the link shows what can still be done, and does nothing.
    assert "You have left The Daily" in client.get(f"/unsubscribe/{token}").text
    client.post(f"/preferences/{token}", data=_hidden(left, "Get The Weekly instead"))
    assert _held() == {"weekly:art", "weekly:music"}
    assert "It is as it was" in client.post(f"/unsubscribe/{token}", data={"undo": "yes"}).text
    client.post(f"/unsubscribe/{token}", data={"everything": "yes"})
    assert _held() == set()
    paused = client.post(f"/unsubscribe/{token}", data={"pause": "30"}).text
    assert "Nothing comes before" in paused
    assert {"daily:music", "weekly:art"} <= _held()


def test_fewer_topics_keeps_only_those_pressed(client, token):
    left = client.post(f"/unsubscribe/{token}").text
    fields = _hidden(left, "Keep these topics only")
    fields["subscription"].append("daily:fashion")
    client.post(f"/preferences/{token}", data=fields)
    assert _held() == {"weekly:art", "daily:fashion"}


def test_a_reason_is_thanked_for_and_a_strange_one_is_asked_again(client, token):
    client.post(f"/unsubscribe/{token}")
    assert "Please choose one of the reasons" in client.post(f"/unsubscribe/{token}", data={"reason": "x"}).text
    assert "Thank you for telling us" in client.post(f"/unsubscribe/{token}", data={"reason": "often"}).text


def test_a_two_year_old_link_leaves_whatever_the_key_is_now(client, token):
    present = settings.current()
    settings.use(
        replace(
            present, secret_key="another-secret-key-of-enough-characters", secret_key_fallbacks=(present.secret_key,)
        )
    )
    with time_machine.travel(clock.now() + timedelta(days=730)):
        assert client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
    settings.use(present)
    assert _held() == {"weekly:art"}


def test_preferences_hold_a_pause_a_language_and_measurement_beside_topics(client, token):
    page = client.get(f"/preferences/{token}").text
    form = re.search(r'name="form" value="([^"]+)"', page)[1]
    day = (clock.now() + timedelta(days=9)).date().isoformat()
    fields = {"form": form, "more": "yes", "digest-music": "weekly", "paused_until": day, "tracking": "yes"}
    saved = client.post(f"/preferences/{token}", data=fields).text
    assert "Paused: nothing comes before" in saved
    assert f'value="{day}"' in saved
    assert _held() == {"weekly:music"}
    # The magazine does not measure readers, so nothing was asked and nothing is kept.
    assert [each["purpose"] for each in consent.proof(ANA)["records"] if each["purpose"] == "measurement"] == []
    for wrong in ("tomorrow", "2020-01-01", "2999-01-01"):
        assert client.post(f"/preferences/{token}", data={**fields, "paused_until": wrong}).status_code == 400


def test_a_forwarded_mail_shows_nothing_personal_and_the_private_link_goes_to_the_reader(client, token):
    for path in (f"/preferences/{token}", f"/unsubscribe/{token}"):
        assert ANA not in client.get(path).text
    answer = client.post(f"/preferences/{token}/link").text
    assert ANA not in answer
    db.session.rollback()
    mail = db.session.query(Message).order_by(Message.id.desc()).first()
    assert mail.address == ANA
    # Neither token opens the other's page.
    assert client.get(f"/preferences/private/{token}").status_code == 404
    assert client.get(_private(client).replace("/private", "")).status_code == 404


def test_the_private_link_downloads_and_erases_for_an_hour(client, token):
    client.post(f"/preferences/{token}/link")
    private = _private(client)
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        assert client.get(private).status_code == 404
        assert client.post(f"{private}/erasure").status_code == 404
    answer = client.get(f"{private}/data.json")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.text)["address"] == ANA
    assert "Erase everything" in client.get(f"{private}/erasure").text
    assert len(_held()) == 3
    assert "Erased" in client.post(f"{private}/erasure").text
    db.session.rollback()
    assert db.session.query(Subscriber).count() == 0
    # Nothing is left that any of these links could open.
    for path in (private, f"/preferences/{token}"):
        assert client.get(path).status_code == 404
    assert client.post(f"/unsubscribe/{token}").status_code == 200


@pytest.mark.parametrize("is_known", [False, True])
def test_another_address_counts_once_confirmed_there_and_the_old_one_is_told(client, token, is_known):
    if is_known:
        magazine.ask("new@readers.example", subscriptions=["breaking:music"])
        magazine.confirm()
        db.session.rollback()
    client.post(f"/preferences/{token}/link")
    private = _private(client)
    assert client.post(f"{private}/address", data={"email": ANA}).status_code == 400
    assert "new@readers.example" in client.post(f"{private}/address", data={"email": "new@readers.example"}).text
    assert len(_held()) == 3
    move = fresh_links.token(db.session.query(LinkRequest).filter_by(kind="move").one())
    db.session.rollback()
    assert "Use this address" in client.get(f"/preferences/address/{move}").text
    for _ in range(2):
        assert "From now on we write to new@readers.example" in client.post(f"/preferences/address/{move}").text
    expected = {"daily:music", "daily:fashion", "weekly:art"} | ({"breaking:music"} if is_known else set())
    assert _held("new@readers.example") == expected
    mails = [
        (mail.address, request.kind) for mail, request in zip(_link_mails(), db.session.query(LinkRequest), strict=True)
    ]
    assert mails == [(ANA, LinkKind.PRIVATE), ("new@readers.example", LinkKind.MOVE), (ANA, LinkKind.MOVED)]


def _link_mails():
    db.session.rollback()
    kinds = db.session.query(Message).order_by(Message.id)
    return [mail for mail in kinds if mail.run_id != 1]


def test_without_a_link_one_is_mailed_and_the_answer_tells_nobody_apart(client, token):
    answers = {client.post("/preferences", data={"email": each}).data for each in (ANA, "nobody@readers.example", ANA)}
    assert len(answers) == 1
    assert [mail.address for mail in _link_mails()] == [ANA]
    assert client.post("/preferences", data={"email": "nonsense"}).status_code == 400
    for day in range(1, 4):
        for minute in range(12):
            with time_machine.travel(clock.now() + timedelta(days=day, minutes=10 * minute)):
                client.post("/preferences", data={"email": ANA})
    # Five a day and no more, refilled over the day.
    assert len(_link_mails()) <= 1 + 3 * 6


def test_a_confirmation_says_when_the_next_issue_comes_and_a_lapsed_one_sends_a_new_link(client):
    magazine.ask(BO, newsletters=["daily", "weekly"])
    confirm = f"/confirm/{magazine.newest_token()}"
    db.session.rollback()
    page = client.get(confirm).text
    assert re.search(r"Next issue: \w+ \d+ \w+ \d{4}, 07:00 \(UTC\)", page)
    with time_machine.travel(clock.now() + timedelta(days=8)):
        for lapsed in (client.get(confirm), client.post(confirm)):
            assert lapsed.status_code == 410
            assert "Send a new link" in lapsed.text
        client.post(f"{confirm}/again")
        db.session.rollback()
        assert db.session.query(SignupRequest).count() == 2
        new = f"/confirm/{magazine.newest_token()}"
        db.session.rollback()
        assert "You are subscribed" in client.post(new).text
        assert "Already confirmed" in client.get(new).text
        # The first link is for the same wish, and lapsed: it sends nothing more than the limits allow.
        client.post(f"{confirm}/again")
        db.session.rollback()
        assert db.session.query(Message).count() == 2
    proof = consent.proof(BO)
    assert [each["kind"] for each in proof["records"]] == ["requested", "requested", "confirmed"]
    assert proof["records"][1]["note"] == "a new link was asked for"


@pytest.mark.parametrize("measures", [False, True])
@pytest.mark.parametrize("ticked", [False, True])
def test_being_measured_is_a_second_tick_of_its_own_where_the_magazine_measures_at_all(client, measures, ticked):
    settings.use(replace(settings.current(), measures_readers=measures, form_minimum_time=timedelta(0)))
    page = client.get("/subscribe").text
    assert ('name="tracking"' in page) is measures
    assert not re.search(r'name="(terms|tracking)"[^>]*checked', page)
    fields = {"email": BO, "terms": "yes", "form": re.search(r'name="form" value="([^"]+)"', page)[1]}
    client.post("/subscribe", data={**fields, **({"tracking": "yes"} if ticked else {})})
    db.session.rollback()
    client.post(f"/confirm/{magazine.newest_token()}")
    db.session.rollback()
    purposes = [(each["kind"], each["purpose"]) for each in consent.proof(BO)["records"]]
    agreed = [("confirmed", "measurement")] if measures and ticked else []
    assert purposes == [("requested", "newsletters"), ("confirmed", "newsletters"), *agreed]


_TEXT = st.text(max_size=40) | st.sampled_from(
    ["daily", "daily:music", "yes", "7", "30", "often", "\0", "<script>", "a@x.example"]
)
_FIELDS = (
    *("form", "more", "digest-music", "subscription", "paused_until", "language", "tracking", "email"),
    *("undo", "pause", "reason", "everything", "List-Unsubscribe"),
)


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(st.sampled_from(_FIELDS), st.lists(_TEXT, max_size=3)), place=st.integers(0, 5))
def test_whatever_is_sent_to_a_readers_form_is_answered(client, token, fields, place):
    client.post(f"/preferences/{token}/link")
    private = _private(client)
    paths = (f"/preferences/{token}", f"/unsubscribe/{token}", "/preferences", f"{private}/address", f"/agree/{token}")
    answer = client.post((*paths, f"/confirm/{token}/again")[place], data=fields)
    assert answer.status_code in (200, 400, 403, 404)
    assert b"<script>" not in answer.data
    assert consent.proof(ANA)["chain"]["is_whole"]
    db.session.rollback()
