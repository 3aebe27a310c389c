"""The chain of consent: it cannot be changed, a forced change is named, and it holds when details are forgotten."""

import json
import re
from datetime import timedelta

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from newsletter import clock, db, invariants, schema
from newsletter.audience import agents, chain, consent, proofs, signup, unsubscribe, verifying
from newsletter.audience.models import ConsentDetail, ConsentRecord, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.publication import legal, newsletters
from newsletter.publication.models import LegalKind
from tests.audience import magazine
from tests.conftest import both_engines

ANA = "ana@readers.example"


@pytest.fixture
def ana(room):
    """Signed up, confirmed, left: three lines; a second reader beside."""
    magazine.ask()
    magazine.confirm()
    reader = db.session.query(Subscriber).one()
    unsubscribe.leave(ReaderLink(reader.id, newsletters.get("daily").id), consent.Origin("one-click"))
    magazine.ask("bo@readers.example")
    return reader.id


def _force(*statements):
    """Run statements as somebody who owns the database and its triggers would."""
    tables = ("consent_record", "legal_document")
    with db.extension.engine.begin() as connection:
        for table in tables:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            else:
                for act in ("update", "delete"):
                    connection.execute(text(f"DROP TRIGGER {table}_no_{act}"))
        for statement in statements:
            connection.execute(text(statement))
    db.session.expire_all()


def _named(rule):
    return next(list(found.offenders) for found in invariants.check() if found.rule.name == rule)


@both_engines
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_record SET sentence = 'I agree to anything'",
        "UPDATE consent_record SET terms_version = 2 WHERE number = 1",
        "DELETE FROM consent_record WHERE number = 3",
        "UPDATE legal_document SET markdown = 'Other terms'",
        "DELETE FROM legal_document",
        "UPDATE consent_wording SET sentence = 'Other'",
        "DELETE FROM consent_wording",
    ],
)
def test_the_database_itself_refuses_to_change_or_delete_what_was_agreed(ana, statement):
    before = consent.proof(ANA)
    db.session.rollback()
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="never changed or deleted"), db.extension.engine.begin() as it:
        it.execute(text(statement))
    assert consent.proof(ANA) == before
    assert before["chain"]["is_whole"]


@both_engines
@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE consent_record SET terms_version = 2 WHERE subscriber_id = 1 AND number = 2", "line 2 was changed"),
        ("UPDATE consent_record SET recorded_at = '2020-01-01 00:00' WHERE number = 3", "line 3 was changed"),
        ("DELETE FROM consent_record WHERE subscriber_id = 1 AND number = 2", "line 2 is missing"),
        ("DELETE FROM consent_record WHERE number = 3", "3 lines were made, 2 are there"),
        ("DELETE FROM consent_record WHERE subscriber_id = 1", "3 lines were made, 0 are there"),
        ("DELETE FROM consent_detail WHERE subscriber_id = 1 AND number = 1", "the details of line 1 are missing"),
        (
            "UPDATE consent_detail SET salt = 'x' WHERE subscriber_id = 1 AND number = 1 AND part = 'person'",
            "the details of line 1 were changed",
        ),
    ],
)
def test_a_forced_change_is_named_by_check_and_on_the_proof(ana, statement, named):
    assert (_named("chain"), _named("texts")) == ([], [])
    db.session.rollback()
    _force(statement)
    assert _named("chain") == [f"1: {named}"]
    assert consent.proof(ANA)["chain"]["problems"] == [named]


@both_engines
def test_a_forced_change_of_a_text_is_named(ana):
    db.session.rollback()
    _force("UPDATE legal_document SET markdown = 'Other terms' WHERE kind = 'terms'")
    assert _named("texts") == ["terms 1 (en)"]


@both_engines
def test_network_address_and_browser_are_shortened_after_their_time_and_the_chain_holds(ana, configured):
    (first, *_) = consent.proof(ANA)["records"]
    assert (first["source_address"], first["agent"]) == ("192.0.2.7", "Browser")
    assert consent.forget_networks(clock.now()) == 0
    assert consent.forget_networks(clock.now() + timedelta(days=31)) == 3
    db.session.commit()
    proof = consent.proof(ANA)
    assert (proof["records"][0]["source_address"], proof["records"][0]["agent"]) == ("192.0.2.0/24", "Browser")
    assert "192.0.2.7" not in json.dumps(proof)
    assert proof["chain"]["is_whole"]
    assert verifying.broken() == []


@both_engines
def test_the_proof_alone_is_enough_to_verify_it(ana):
    proof = consent.proof(ANA)
    previous = chain.START
    for record in proof["records"]:
        digests = {f"{part}_digest": "" for part in ("person", "network")}
        for part, detail in record["details"].items():
            assert chain.Detail(detail["content"], detail["salt"]).digest == detail["digest"]
            digests[f"{part}_digest"] = detail["digest"]
        previous = chain.hash_of({**record, **digests, "subscriber_id": proof["chain"]["reader"]}, previous)
        assert previous == record["hash"]
    assert previous == proof["chain"]["last_hash"]


@both_engines
def test_the_document_holds_the_full_text_of_each_version_agreed_to(ana):
    legal.publish(LegalKind.TERMS, title="Terms of Use", markdown="The *second* terms.")
    db.session.commit()
    proof, page = consent.proof(ANA), proofs.document(ANA)
    assert [(each["kind"], each["version"]) for each in proof["documents"]] == [("terms", 1), ("privacy", 1)]
    assert "This is a placeholder for the magazine’s Terms" in page.replace("'", "’").replace("&#39;", "’")
    assert "second" not in page
    for record in proof["records"]:
        assert record["hash"] in page
    assert proofs.document(ANA) == page


@both_engines
def test_an_id_is_never_given_again(ana):
    """Else an old link would work for another person, and a new person would inherit a closed chain."""
    later = clock.now() + timedelta(days=40)
    assert signup.delete_unconfirmed(later) == 1
    db.session.commit()
    old = magazine.newest_token()
    magazine.ask("cy@readers.example")
    assert db.session.query(Subscriber).filter_by(address_key="cy@readers.example").one().id == 3
    assert magazine.newest_token() != old
    assert magazine.mails()[-1].address == "cy@readers.example"


_COLUMNS = {
    "number": st.integers(1, 9),
    "kind": st.sampled_from(["requested", "confirmed", "withdrawn"]),
    "sentence": st.text(max_size=20),
    "terms_version": st.none() | st.integers(1, 9),
    "wishes": st.lists(st.text(max_size=5), max_size=3),
    "channel": st.text(max_size=5),
    "person_digest": st.text(max_size=5),
}


@given(st.fixed_dictionaries(_COLUMNS), st.data())
def test_no_two_lines_have_one_hash(line, data):
    fixed = dict.fromkeys(chain._BODY, "")
    name = data.draw(st.sampled_from(sorted(_COLUMNS)))
    other = {**fixed, **line, name: data.draw(_COLUMNS[name])}
    one = {**fixed, **line}
    assert (chain.hash_of(one, "") == chain.hash_of(other, "")) == (one == other)
    assert chain.hash_of(one, "a") != chain.hash_of(one, "b")


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("unix", ""),
    ],
)
def test_a_network_address_is_shortened_to_its_network(whole, short):
    assert agents.network(whole) == short


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/138.0.0.0 Safari/537.36 Edg/138.0", "Edge, Windows"),
        ("curl/8.0 (ana@readers.example)", "curl"),
        ("ana@readers.example", ""),
    ],
)
def test_a_browser_is_shortened_to_its_name(whole, short):
    assert agents.browser(whole) == short


def test_records_from_before_the_chain_are_put_into_one(configured, tmp_path):
    url = f"sqlite:///{tmp_path}/earlier.db"
    schema.upgrade(url, "0001")
    engine = db.make_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO subscriber (id, address, address_key, language, zone, created_at)"
                " VALUES (7, 'ana@x.example', 'ana@x.example', 'en', '', '2026-01-01 00:00:00.000000')"
            )
        )
        for kind in ("requested", "confirmed"):
            connection.execute(
                text(
                    "INSERT INTO consent_record (subscriber_id, kind, recorded_at, sentence, language, wishes, channel,"
                    " page, source_address, agent, note)"
                    " VALUES (7, :kind, '2026-01-01 00:00:00.000000', 'I agree', 'en', '[\"daily:music\"]',"
                    " 'form', '/subscribe', '192.0.2.7', 'curl/8', '')"
                ),
                {"kind": kind},
            )
    schema.upgrade(url)
    with engine.begin() as connection:
        lines = connection.execute(sqlalchemy.select(ConsentRecord.__table__).order_by(text("number"))).mappings().all()
        previous = chain.START
        for line in lines:
            previous = chain.hash_of({**line, "at": line["recorded_at"]}, previous)
            assert line["hash"] == previous
        assert [line["kind"] for line in lines] == ["requested", "confirmed"]
        assert connection.scalar(text("SELECT records_made FROM subscriber")) == 2
        details = connection.execute(sqlalchemy.select(ConsentDetail.__table__.c.content)).scalars().all()
        assert {"source_address": "192.0.2.7", "agent": "curl/8"} in details
    engine.dispose()


def test_an_old_terms_address_is_the_same_bytes_whatever_is_published_later(client, room):
    before = [client.get(path).data for path in ("/terms/1", "/privacy/1", "/terms/en/1.md")]
    assert b"<a href" in before[0]
    legal.publish(LegalKind.TERMS, title="Terms of Use", markdown="The second terms.")
    db.session.commit()
    assert [client.get(path).data for path in ("/terms/1", "/privacy/1", "/terms/en/1.md")] == before
    assert "The second terms." in client.get("/terms").text
    assert re.search(r"Version 1\b", client.get("/terms").text)
