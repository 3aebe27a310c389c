"""Erasure: no trace of the address in a dump, a chain that still holds, and no way back but the person's own."""

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy
import time_machine

from newsletter import clock, db, errors, invariants
from newsletter.audience import consent, fresh_links, importing, moving, unsubscribe
from newsletter.audience.consent import Origin
from newsletter.audience.models import ConsentRecord, LinkKind, LinkRequest, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.models import TABLES
from newsletter.outbox import forgetting, queue, suppression
from newsletter.outbox.models import Message, Policy, SuppressionReason
from newsletter.privacy import erase, export, retention
from newsletter.publication import newsletters
from tests.audience import magazine
from tests.conftest import both_engines

pytestmark = both_engines
ANA, EARLIER = "Ana.Fonseca@Readers.Example", "earlier.fonseca@readers.example"
PAGE = Origin("preferences", page="/preferences", source_address="192.0.2.99", agent="Mozilla/5.0 Firefox/140.0")


@pytest.fixture
def ana(room, configured):
    """She moved from another address, has mail queued and bounced, complained once, and asked for links."""
    magazine.ask(EARLIER)
    magazine.confirm()
    reader = db.session.query(Subscriber).one()
    run = queue.open_run("issue", 1, policy=Policy.HOLD, lifetime=configured.issue_expiry)
    queue.add(run, [queue.Planned(reader.id, reader.address)])
    moving.ask(_private(reader), ANA, PAGE)
    db.session.commit()
    moving.confirm(_token(LinkKind.MOVE), PAGE)
    suppression.suppress(ANA, SuppressionReason.HARD_BOUNCE, f"550 <{ANA}> unknown")
    suppression.lift(ANA, f"{ANA} asked")
    db.session.query(Message).update({"last_reply": f"450 <{ANA}> later"})
    db.session.commit()
    return reader.id


def _private(reader):
    fresh_links.mail(LinkKind.PRIVATE, reader, reader.address)
    return db.session.query(LinkRequest).filter_by(kind="private").one()


def _token(kind):
    return fresh_links.token(db.session.query(LinkRequest).filter_by(kind=kind).one())


def _dump():
    """Every value of every row, as one lower-case text."""
    db.session.rollback()
    with db.extension.engine.connect() as connection:
        rows = [list(row) for table in TABLES.sorted_tables for row in connection.execute(sqlalchemy.select(table))]
    return json.dumps(rows, default=str, ensure_ascii=False).lower()


def _broken():
    """Which rules are; the run made here by hand has no edition, which is I11."""
    return [found.rule.name for found in invariants.check() if found.offenders and found.rule.name != "I11"]


def test_nothing_in_a_dump_says_who_was_erased_and_check_finds_nothing(ana):
    assert "fonseca" in _dump()
    records = db.session.query(ConsentRecord).count()
    db.session.rollback()
    assert erase.erase(ana)
    db.session.commit()
    dump = _dump()
    for trace in ("fonseca", "192.0.2.7", "192.0.2.99", "198.51.100.7", "firefox"):
        assert trace not in dump, trace
    # The chain is one line longer, and whole.
    assert db.session.query(ConsentRecord).count() == records + 1
    assert _broken() == []
    assert {message.state for message in magazine.mails()} == {"skipped"}
    assert not erase.erase(ana)
    # Nor is anything left in the space that SQLite has freed.
    if db.session.get_bind().dialect.name == "sqlite":
        db.session.remove()
        db.extension.engine.dispose()
        assert b"fonseca" not in Path(str(db.extension.engine.url.database)).read_bytes().lower()


def test_who_was_erased_is_brought_back_by_nobody_else_and_may_sign_up_anew(ana):
    erase.erase(ana)
    db.session.commit()
    rows = f"email,status,consent_at,consent_source\n{ANA},confirmed,2024-05-01T10:00:00Z,Form\n{EARLIER},,,\n"
    assert [line for line, _ in importing.import_csv(io.BytesIO(rows.encode())).refused] == [2, 3]
    with pytest.raises(errors.NotFound, match="was erased on"):
        consent.proof(ANA)
    with time_machine.travel(clock.now() + timedelta(days=2)):
        magazine.ask(ANA)
        assert magazine.mails()[-1].state == "queued"
        magazine.confirm()
    proof = consent.proof(ANA)
    assert (proof["state"], len(proof["records"]), proof["chain"]["is_whole"]) == ("confirmed", 2, True)


def test_an_old_link_finds_nobody_after_erasure(ana):
    link = ReaderLink(ana, newsletters.get("daily").id)
    erase.erase(ana)
    db.session.commit()
    magazine.ask("new@readers.example")
    assert unsubscribe.leave(link, Origin("one-click")).already
    assert consent.proof("new@readers.example")["state"] == "pending"


def test_what_a_server_says_after_the_erasure_is_taken_away_too(ana):
    erase.erase(ana)
    db.session.query(Message).update({"last_reply": f"250 <{ANA}> taken"})
    assert forgetting.forget_replies() == len(magazine.mails())
    db.session.commit()
    assert "fonseca" not in _dump()


def test_a_complaint_still_counts_after_erasure(ana):
    suppression.suppress(ANA, SuppressionReason.COMPLAINT, "by her provider")
    erase.erase(ana)
    db.session.commit()
    assert suppression.find(ANA).reason is SuppressionReason.COMPLAINT
    assert "fonseca" not in _dump()


def test_a_download_holds_everything_and_is_json(ana):
    data = json.loads(json.dumps(export.export(ana)))
    assert data["address"] == "Ana.Fonseca@readers.example"
    assert {each["kind"] for each in data["consent"]} == {"requested", "confirmed", "moved"}
    assert {each["kind"] for each in data["requests"]} == {"sign-up", "private", "move", "moved"}
    assert [each["terms_version"] for each in data["consent"]][:2] == [1, 1]


def test_who_left_is_erased_once_a_proof_is_kept_no_longer_and_nobody_else_is(ana, configured):
    magazine.ask("stays@readers.example")
    magazine.confirm()
    unsubscribe.leave(ReaderLink(ana, newsletters.get("daily").id), Origin("one-click"), everything=True)
    db.session.commit()
    assert retention.erase_long_gone(clock.now() + configured.proof_lifetime - timedelta(days=1)) == 0
    with time_machine.travel(clock.now() + configured.proof_lifetime + timedelta(days=1)):
        assert retention.erase_long_gone(clock.now()) == 1
    db.session.commit()
    assert [each.address for each in db.session.query(Subscriber)] == ["stays@readers.example"]
