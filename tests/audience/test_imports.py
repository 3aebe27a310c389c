"""Files of readers brought to the desk: looked through with nothing changed, taken in once, whatever stops the work."""

import io
import json

import pytest

from newsletter import db, errors, milestones, settings
from newsletter.audience import consent, importing, imports
from newsletter.audience.models import ConsentRecord, ImportState, ReaderImportChunk, Subscriber, Subscription
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.scheduler import tick
from tests.audience import magazine
from tests.conftest import both_engines

PROOF = "confirmed,2024-05-01T10:00:00Z,Form"
ROWS = 1300


@pytest.fixture
def brought(room):
    """A file larger than two batches and two pieces, with a few rows that must not come in."""
    suppression.suppress("r7@readers.example", SuppressionReason.COMPLAINT)
    db.session.commit()
    rows = [f"r{number}@readers.example,{PROOF}" for number in range(ROWS)]
    rows[5], rows[900], rows[1200] = "not an address,,,", rows[3], "r1200@readers.example,pending,,"
    text = "email,status,consent_at,consent_source\n" + "\n".join(rows) + "\n" * 300_000
    choice = importing.Choice(["weekly"], ["art"])
    return imports.bring(io.BytesIO(text.encode()), name="readers.csv", actor="ed", choice=choice).id


def _figures(import_id):
    db.session.expire_all()
    found = imports.get(import_id)
    return {name: getattr(found, name) for name in ("rows", "new", "known", "to_reconfirm", "refused", "stopped")}


EXPECTED = {"rows": ROWS, "new": 1297, "known": 1, "to_reconfirm": 1, "refused": 2, "stopped": 1}


@both_engines
def test_a_look_changes_nothing_and_says_what_the_import_then_does(brought):
    assert imports.waiting(None) == [brought]
    imports.work(brought)
    found = imports.get(brought)
    assert (found.state, _figures(brought)) == (ImportState.CHECKED, EXPECTED)
    assert (db.session.query(Subscriber).count(), db.session.query(ConsentRecord).count()) == (0, 0)
    assert [each["address"] for each in found.sample] == [f"r{number}@readers.example" for number in range(5)]
    assert found.sample[0]["wishes"] == ["weekly:art"]
    assert [each.line for each in imports.refusals(brought)] == [7, 9]
    imports.begin(found)
    db.session.commit()
    tick.run()
    assert (imports.get(brought).state, _figures(brought)) == (ImportState.DONE, EXPECTED)
    assert (db.session.query(Subscriber).count(), imports.get(brought).sample) == (1297, [])
    assert db.session.query(ReaderImportChunk).count() == 0
    imports.work(brought)
    assert db.session.query(ConsentRecord).count() == 1297
    with pytest.raises(errors.Conflict):
        imports.begin(imports.get(brought))


@both_engines
def test_an_import_that_is_killed_after_a_batch_goes_on_there_and_nobody_comes_twice(brought, monkeypatch):
    imports.work(brought)
    imports.begin(imports.get(brought))
    db.session.commit()

    class Killed(BaseException):
        pass

    def kill(name):
        if name == "import.after_chunk":
            raise Killed

    for batches in (1, 2):
        monkeypatch.setattr(milestones, "hook", kill)
        with pytest.raises(Killed):
            imports.work(brought)
        db.session.rollback()
        assert imports.get(brought).rows_done == batches * importing.BATCH
    monkeypatch.undo()
    imports.work(brought)
    assert _figures(brought) == EXPECTED
    assert (db.session.query(Subscriber).count(), db.session.query(ConsentRecord).count()) == (1297, 1297)


@pytest.mark.parametrize(
    ("layout", "head", "rows"),
    [
        (
            "Mailchimp",
            "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LEID,EUID",
            {
                'ana@x.example,Ana,2,2021-03-05 13:01:02,192.0.2.1,2021-03-05 13:02:11,192.0.2.1,1,"a"': "confirmed",
                "bo@x.example,Bo,2,,,2021-03-05 13:02:11,,2,b": "pending",
            },
        ),
        (
            "Mailchimp",
            "Email Address,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME",
            {"cy@x.example,,2021-03-05 13:02:11,2022-01-01 00:00:00": "This reader had left there."},
        ),
        (
            "Substack",
            "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at",
            {
                "di@x.example,false,,other,false,2023-01-01T00:00:00.000Z,": "pending",
                "ed@x.example,false,,other,true,2023-01-01T00:00:00.000Z,": "This reader had switched mail off there.",
            },
        ),
        (
            "listmonk",
            "uuid,email,name,attributes,status,created_at,updated_at",
            {
                "u,fay@x.example,Fay,{},enabled,2023-01-01,2023-01-01": "pending",
                "v,gus@x.example,Gus,{},blocklisted,2023-01-01,2023-01-01": "This reader was blocklisted there.",
            },
        ),
        (
            "Ghost",
            "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels",
            {
                "1,hal@x.example,,,true,false,,2023-01-01T00:00:00.000Z,,": "pending",
                "2,ida@x.example,,,false,false,,2023-01-01T00:00:00.000Z,,": "This reader had left there.",
            },
        ),
    ],
)
def test_the_exports_of_other_products_are_recognised_and_only_proof_is_believed(room, layout, head, rows):
    content = (head + "\n" + "\n".join(rows)).encode()
    assert imports.bring(io.BytesIO(content), name="x.csv", actor="ed", choice=importing.Choice()).layout == layout
    report = importing.import_csv(io.BytesIO(content))
    assert [reason for _, reason in report.refused] == [each for each in rows.values() if each.endswith(".")]
    states = {each.subscriber_id: each.state.value for each in db.session.query(Subscription)}
    assert sorted(states.values()) == sorted(each for each in rows.values() if not each.endswith("."))
    assert magazine.mails() == []
    if "OPTIN_IP" in head:
        note = consent.proof("ana@x.example")["records"][0]["note"]
        assert note.startswith("consent of 2021-03-05 13:02:11+00:00: Mailchimp: opted in 2021-03-05 13:01:02 UTC")


def test_the_command_looks_first_and_a_file_nobody_takes_in_is_forgotten(app, brought, tmp_path):
    path = tmp_path / "readers.csv"
    path.write_text(f"email,status,consent_at,consent_source\nana@readers.example,{PROOF}\n")
    for is_dry, count in ((True, 0), (False, 1)):
        words = ["subscriber", "import", str(path), "--newsletter", "daily", "--json", *["--dry-run"] * is_dry]
        data = json.loads(app.test_cli_runner().invoke(args=["newsletter", *words]).output)
        assert (data["new"], data["dry_run"], db.session.query(Subscriber).count()) == (1, is_dry, count)
        db.session.rollback()
    imports.work(brought)
    later = imports.get(brought).created_at + settings.current().import_lifetime
    assert imports.forget_abandoned(later) == 0
    assert imports.forget_abandoned(later.replace(year=later.year + 1)) == 1
    db.session.commit()
    assert db.session.query(ReaderImportChunk).filter_by(import_id=brought).count() == 0
