"""The suppression list on the desk and the command line: found, added to, lifted with a reason."""

import json
import re

import pytest

from newsletter import db
from newsletter.outbox import forgetting, suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

MARA = "mara@readers.example"


@pytest.fixture
def csrf(client, room):
    return desk.log_in(client, Role.PUBLISHER)


def _stop(address=MARA, reason=SuppressionReason.COMPLAINT, note="") -> int:
    made = suppression.suppress(address, reason, note).id
    db.session.commit()
    return made


def _post(client, csrf, path, **fields):
    answer = client.post(path, data={"csrf": csrf, **fields})
    return answer, client.get(answer.location).text if answer.status_code == 303 else answer.text


@both_engines
def test_the_list_says_why_and_since_when_and_is_searched(client, csrf):
    _stop(note="Reported as <spam>")
    _stop("bo@readers.example", SuppressionReason.HARD_BOUNCE)
    forgetting.forget(9, ["cy@readers.example"])
    db.session.commit()
    page = client.get("/admin/suppressions").text
    assert "Reported as &lt;spam&gt;" in page
    assert page.index("Erased address") < page.index("bo@readers.example") < page.index(MARA)
    assert "cy@readers.example" not in page
    for query, expected in {
        "q=MAR": (True, False),
        "reason=hard_bounce": (False, True),
        "state=lifted": (False, False),
        "q=bo@readers.example": (False, True),
    }.items():
        page = client.get(f"/admin/suppressions?{query}").text
        assert (f">{MARA}<" in page, ">bo@readers.example<" in page) == expected, query
    assert "Erased address" in client.get("/admin/suppressions?q=cy@readers.example").text
    assert client.get("/admin/suppressions?reason=wrong").status_code == 400


def test_the_list_is_walked_by_number_and_keeps_the_search(client, csrf):
    for number in range(120):
        suppression.suppress(f"r{number}@readers.example", SuppressionReason.HARD_BOUNCE)
    _stop()
    seen, path = [], "/admin/suppressions?reason=hard_bounce"
    while path:
        page = client.get(path).text
        seen += [int(part.split("@")[0]) for part in page.split(">r")[1:] if part.split("@")[0].isdigit()]
        path = (
            page.split('class="button" href="')[1].split('"')[0].replace("&amp;", "&") if "Older ones" in page else ""
        )
    assert seen == list(range(119, -1, -1))


@both_engines
def test_a_complaint_is_lifted_by_a_publisher_with_a_reason(client, csrf):
    stopped = _stop(note="Reported as spam")
    answer, page = _post(client, csrf, f"/admin/suppressions/{stopped}/lifting", reason=" ")
    assert answer.status_code == 422
    assert "Please say why mail may go to this address again." in page
    _, page = _post(client, csrf, f"/admin/suppressions/{stopped}/lifting", reason="Asked by telephone")
    assert "This is lifted." in page
    assert "Reported as spam; lifted: Asked by telephone" in page
    assert "Nothing goes there" not in page
    assert not suppression.is_suppressed(MARA)
    entry = audit.of(f"suppression {stopped}")[0]
    assert (entry.actor, entry.before, entry.after) == (
        "publisher@magazine.example",
        {"reason": "complaint"},
        {"reason": "Asked by telephone"},
    )
    again, page = _post(client, csrf, f"/admin/suppressions/{stopped}/lifting", reason="Again")
    assert (again.status_code, "This is lifted already." in page) == (409, True)


def test_an_editor_stops_mail_and_leaves_the_lifting_to_a_publisher(client, csrf):
    stopped = _stop()
    csrf = desk.log_in(client, Role.EDITOR)
    page = client.get(f"/admin/suppressions/{stopped}").text
    assert "A publisher can lift it." in page
    assert "Let mail go there again" not in page
    answer, page = _post(client, csrf, "/admin/suppressions", email="Noor@readers.example", note="By letter of 3 May")
    assert "Nothing goes to this address any more." in page
    assert "By letter of 3 May" in page
    _, page = _post(client, csrf, "/admin/suppressions", email="noor@readers.example")
    assert "Nothing went to this address before, either." in page
    answer, page = _post(client, csrf, "/admin/suppressions", email="noor at home", note="Kept words")
    assert answer.status_code == 422
    assert "It should be like name@example.com." in page
    assert 'value="noor at home"' in page
    assert 'value="Kept words"' in page


@both_engines
def test_an_erased_block_is_a_digest_and_nobodys_to_lift(client, csrf):
    forgetting.forget(9, ["cy@readers.example"])
    erased = suppression.find("cy@readers.example")
    stopped, digest = erased.id, erased.digest
    db.session.commit()
    page = client.get(f"/admin/suppressions/{stopped}").text
    assert digest in page
    assert "Lift it" not in page
    answer, page = _post(client, csrf, f"/admin/suppressions/{stopped}/lifting", reason="Please")
    assert answer.status_code == 409
    assert "Only they can come back, by signing up." in page


def test_a_readers_own_page_lifts_by_the_same_rules(client, csrf):
    desk.magazine()
    _stop("reader3@readers.example")
    (reader_id,) = re.findall(r'href="/admin/readers/(\d+)"', client.get("/admin/readers?q=reader3").text)
    answer, page = _post(client, csrf, f"/admin/readers/{reader_id}/suppression", reason="")
    assert (answer.status_code, "Please say why" in page) == (422, True)
    _, page = _post(client, csrf, f"/admin/readers/{reader_id}/suppression", reason="Asked by telephone")
    assert "Mail may go there again." in page
    answer, page = _post(client, csrf, f"/admin/readers/{reader_id}/suppression", reason="Again")
    assert (answer.status_code, "Nothing stops mail to this address." in page) == (409, True)


def test_commands_do_what_the_desk_does(app, csrf):
    def run(*words: str):
        return app.test_cli_runner().invoke(args=["newsletter", "suppression", *words])

    assert json.loads(run("add", "Mara@readers.example", "--note", "By letter", "--json").output)["new"] is True
    assert "mara@readers.example  request" in run("list").output
    (row,) = json.loads(run("list", "mara", "--reason", "request", "--json").output)["suppressions"]
    assert (row["address"], row["note"]) == (MARA, "By letter")
    assert run("lift", MARA, "--reason", "Asked by telephone").output == "This is lifted.\n"
    assert run("list").output == "None.\n"
    assert "lifted: Asked by telephone" in run("list", "--lifted").output
    wrong = run("lift", MARA, "--reason", "Again")
    assert (wrong.exit_code, "Nothing stops mail to this address." in wrong.output) == (1, True)
    assert {entry.actor for entry in audit.page()} == {"command line"}
    db.session.rollback()


def test_an_empty_list_says_how_addresses_come_there(client, csrf):
    assert "No address is suppressed." in client.get("/admin/suppressions").text
