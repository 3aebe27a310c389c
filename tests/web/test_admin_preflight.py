"""Preflight on the desk: "TK" closes the approval and leads to itself, by whatever the button was pressed."""

import re

import pytest

from newsletter import clock, db
from newsletter.issues import editing, preflight, weblinks
from newsletter.issues.models import CheckedLink, Issue, Preflight
from newsletter.staff.models import Role
from tests.web import desk


@pytest.fixture
def csrf(client, room):
    desk.magazine()
    return desk.log_in(client, Role.EDITOR)


def _word(issue_id: int, subject: str) -> int:
    issue = db.session.get_one(Issue, issue_id)
    editing.word(issue, editing.Words(subject=subject), editing.Hand("ed"))
    db.session.commit()
    return db.session.get_one(Issue, issue_id).version


def _answer_all(issue_id: int, status: int) -> None:
    db.session.rollback()
    for each in db.session.get_one(Preflight, issue_id).links:
        key = weblinks._key(each["url"])
        db.session.add(CheckedLink(key=key, url=each["url"], status=status, checked_at=clock.now()))
    db.session.commit()


def test_tk_closes_the_approval_and_leads_to_the_field(client, csrf):
    issue_id = desk.issue("weekly")
    version = _word(issue_id, "TK: the lamp")
    page = client.get(f"/admin/issues/{issue_id}").text
    buttons = re.findall(r"<button[^>]*data-approve[^>]*>", page)
    assert buttons
    assert all(" disabled" in button for button in buttons)
    assert re.search(r'id="kept-back">“TK” stands for words still to come. Mend <a href="#f-subject">the subject', page)
    pressed = client.post(f"/admin/issues/{issue_id}/approval", data={"csrf": csrf, "version": version})
    assert pressed.status_code == 409
    assert "It cannot be approved. “TK” stands for words still to come." in pressed.text
    _word(issue_id, "The lamp")
    page = client.get(f"/admin/issues/{issue_id}").text
    assert not re.search(r"<button[^>]*data-approve[^>]* disabled", page)
    assert 'id="kept-back" hidden' in page


def test_it_says_how_far_it_is_and_what_was_found(client, csrf):
    issue_id = desk.issue("weekly")
    path = f"/admin/issues/{issue_id}/preflight"
    assert "It is being looked through." in client.get(path).text
    preflight.look_through(issue_id)
    assert "Checking links: 0 of 6." in client.get(path).text
    _answer_all(issue_id, 200)
    page = client.get(path).text
    assert "data-settled" in page
    assert "Ready" in page
    db.session.query(CheckedLink).update({"status": 404})
    db.session.commit()
    page = client.get(path).text
    assert "6 things keep it from being approved." in page
    assert "It answers 404 (Not Found)." in page
    assert client.post(path, data={"csrf": csrf}).status_code == 303
    assert "It is being looked through." in client.get(path).text
    assert db.session.query(CheckedLink).count() == 0, "what was not well is asked again"


@pytest.mark.parametrize("state", ["cancelled", "scheduled", "sent"])
def test_an_issue_in_another_state_opens_with_it_or_without(client, csrf, state):
    page = client.get(f"/admin/issues/{desk.issue('weekly', state)}")
    assert page.status_code == 200
    assert ('id="preflight"' in page.text) == (state == "scheduled")
