"""Importing readers: good rows stand, no consent is invented, nobody is brought back."""

import io
from datetime import UTC, datetime

import pytest

from newsletter import db, errors
from newsletter.audience import consent, importing
from newsletter.audience.models import Subscriber, Subscription
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from tests.audience import magazine
from tests.conftest import both_engines

pytestmark = both_engines

HEAD = "email,newsletters,topics,status,consent_at,consent_source,language,timezone\n"
GOOD = "ana@readers.example,daily;weekly,music;art,confirmed,2024-05-01T10:00:00+02:00,Old form,en,Europe/Berlin\n"


def _import(text, encoding="utf-8"):
    return importing.import_csv(io.BytesIO(text.encode(encoding)))


def test_a_proved_consent_is_confirmed_with_its_source_kept(room):
    report = _import(HEAD + GOOD)
    assert (report.new, report.updated, report.to_reconfirm, report.refused) == (1, 0, 0, [])
    proof = consent.proof("ana@readers.example")
    assert proof["state"] == "confirmed"
    assert [f"{each['newsletter']}:{each['topic']}" for each in proof["subscriptions"]] == [
        "daily:music",
        "weekly:music",
        "weekly:art",
    ]
    assert proof["records"][0]["note"] == "consent of 2024-05-01T10:00:00+02:00: Old form"
    assert magazine.mails() == []


def test_the_same_file_again_changes_nothing(room):
    _import(HEAD + GOOD)
    again = _import(HEAD + GOOD)
    assert (again.new, again.updated, again.to_reconfirm) == (0, 1, 0)
    assert len(consent.proof("ana@readers.example")["records"]) == 1


@pytest.mark.parametrize(
    "row", ["a@x.example,,,confirmed,,,,", "a@x.example,,,confirmed,2024-05-01T10:00:00Z,,,", "a@x.example"]
)
def test_without_proof_a_reader_waits_to_be_asked_and_gets_no_mail(room, row):
    report = _import(HEAD + row + "\n")
    assert (report.new, report.to_reconfirm) == (1, 1)
    proof = consent.proof("a@x.example")
    assert (proof["state"], proof["records"][0]["note"], magazine.mails()) == ("pending", "to re-confirm", [])


def test_refused_rows_are_listed_by_line_and_the_others_stand(room):
    suppression.suppress("gone@readers.example", SuppressionReason.COMPLAINT)
    rows = [
        "not an address,,,,,,,",
        '"quoted@readers.example","daily","mu\nsic",,,,,',
        "gone@readers.example,,,confirmed,2024-05-01T10:00:00Z,Form,,",
        "b@readers.example,hourly,,,,,,",
        "c@readers.example,,,subscribed,,,,",
        "d@readers.example,,,confirmed,2024-05-01T10:00:00,Form,,",
        "e@readers.example,,,confirmed,yesterday,Form,,",
        "f@readers.example,,,confirmed,2124-05-01T10:00:00Z,Form,,",
        "g@readers.example,,,,,,,Berlin",
        "h@readers.example,,,,,,German,",
        "i@readers.example,,,,,,,,,one too many",
        "n\0ul@readers.example,,,,,,,",
        "",
        "good@readers.example,,,,,,,",
    ]
    report = _import(HEAD + "\n".join(rows))
    assert [line for line, _ in report.refused] == [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    assert [each.address for each in db.session.query(Subscriber)] == ["good@readers.example"]


def test_who_left_is_not_brought_back(room):
    magazine.ask(newsletters=["daily"], topics=["music"])
    magazine.confirm()
    for row in db.session.query(Subscription):
        row.state, row.ended_at = "ended", datetime(2026, 5, 3, tzinfo=UTC)
    db.session.commit()
    report = _import(HEAD + GOOD)
    assert report.refused == [(2, "This reader left on 2026-05-03 and is not revived; only the reader can come back.")]
    assert consent.proof("ana@readers.example")["state"] == "ended"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(room, encoding, delimiter):
    rows = [
        ["EMAIL", "Consent_source", "consent_at", "status"],
        ["ana@readers.example", "Büro", "2024-05-01T10:00:00Z", "Confirmed"],
    ]
    text = "".join(delimiter.join(row) + "\r\n" for row in rows)
    content = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
    report = importing.import_csv(io.BytesIO(content))
    assert (report.new, report.refused) == (1, [])
    assert "Büro" in consent.proof("ana@readers.example")["records"][0]["note"]


@pytest.mark.parametrize("text", ["", "name,topic\n", "email,role\na@x.example,admin\n"])
def test_a_file_without_our_columns_is_refused(room, text):
    with pytest.raises(errors.BadInput):
        _import(text)


def test_an_unclosed_quotation_mark_refuses_the_rest_and_keeps_what_was_read(room):
    report = _import('email,consent_source\nana@readers.example,Form\nbo@readers.example,"' + "x" * 200_000)
    assert report.new == 1
    assert [line for line, _ in report.refused] == [3]
