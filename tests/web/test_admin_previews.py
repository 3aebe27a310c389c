"""The preview: every view of every choice, and what one reader would get."""

import dataclasses
import email
import email.policy
import json
import re
from datetime import UTC, datetime

import pytest

from newsletter import db, settings
from newsletter.audience.models import Subscriber
from newsletter.issues import counting, editing, previews
from newsletter.issues.models import Issue
from newsletter.mail import daylight
from newsletter.outbox import composers
from newsletter.outbox.models import Message
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.web import desk

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def csrf(client, room):
    desk.magazine()
    return desk.log_in(client, Role.EDITOR)


VIEWS = ("mail", "phone", "dark", "phone-dark", "text", "source", "nothing")
WHO = ("", "&topic=1", "&edition=smallest", "&edition=largest", "&edition=commonest", "&edition=nothing", "&reader=4")


def test_every_view_of_every_choice_shows_a_mail(client, csrf):
    issue_id = desk.issue("weekly")
    counting.count(issue_id)
    path = f"/admin/issues/{issue_id}/preview"
    for view in VIEWS:
        for who in WHO:
            page = client.get(f"{path}?as={view}{who}").text
            assert "A lamp that folds flat" in page, (view, who)
    frame = re.search(
        r'<iframe class="mail-frame is-phone" sandbox src="([^"]+)"', client.get(f"{path}?as=phone-dark").text
    )
    mail = client.get(frame[1].replace("&amp;", "&"))
    assert "@media all" in mail.text, "dark, as was asked"
    assert mail.headers["Content-Security-Policy"].startswith("sandbox;")


def test_the_dark_is_turned_on_and_off_whatever_the_screen_prefers(client, csrf):
    path = f"/admin/issues/{desk.issue('weekly')}/preview/mail"
    light, dark = client.get(path).text, client.get(f"{path}?as=dark").text
    for text in (light, dark):
        assert "prefers-color-scheme" not in text
        assert "light dark" not in text
    assert "@media not all" in light
    assert "@media all" in dark
    assert daylight.shown(dark, in_the_dark=False) == dark


def test_the_headers_are_those_that_leave(client, csrf):
    page = client.get(f"/admin/issues/{desk.issue('weekly')}/preview?as=source").text
    for said in ("List-Unsubscribe-Post: List-Unsubscribe=One-Click", "From: The Magazine", "Subject: "):
        assert said in page


def test_a_reader_is_named_by_address_once_and_what_they_had_is_left_out(client, csrf):
    desk.issue("daily", "sent")
    issue_id = desk.issue("weekly")
    path = f"/admin/issues/{issue_id}/preview"
    answer = client.post(f"{path}/reader", data={"csrf": csrf, "as": "phone", "address": " Reader3@readers.example"})
    assert answer.status_code == 303
    assert "@" not in answer.location
    assert "they have had every story of it" in client.get(answer.location).text
    assert client.get(answer.location.replace("preview?", "preview/mail?")).status_code == 404
    nobody = client.post(f"{path}/reader", data={"csrf": csrf, "address": "nobody@readers.example"})
    assert nobody.status_code == 422
    assert "There is no reader of this address." in nobody.text
    assert 'value="nobody@readers.example"' in nobody.text


@pytest.mark.parametrize(
    ("number", "said"), [(1, "they have not confirmed any topic"), (2, "they have not confirmed any")]
)
def test_why_a_reader_gets_nothing_is_said(client, csrf, number, said):
    issue_id = desk.issue("weekly")
    reader = db.session.query(Subscriber).filter_by(address_key=f"reader{number}@readers.example").one().id
    page = client.get(f"/admin/issues/{issue_id}/preview?reader={reader}").text
    assert "they have not confirmed any topic of The Weekly" in page


def test_every_reason_there_is_has_a_sentence():
    assert set(previews._NO_MAIL) == {"nothing_new", "paused", "suppressed", "new_terms_not_agreed"}


def test_a_writer_sees_editions_and_no_reader(client, csrf):
    issue_id = desk.issue("weekly")
    desk.log_in(client, Role.WRITER)
    path = f"/admin/issues/{issue_id}/preview"
    assert client.get(f"{path}?reader=4").status_code == 403
    assert client.get(f"{path}/mail?reader=4").status_code == 403
    assert "As a reader gets it" not in client.get(path).text


def test_a_test_goes_to_colleagues_marked_and_with_links_that_change_nothing(client, app, csrf):
    issue_id = desk.issue("weekly")
    path = f"/admin/issues/{issue_id}/preview/test"
    answer = client.post(f"{path}?as=phone", data={"csrf": csrf, "to": "editor@magazine.example"})
    assert "The test goes to editor@magazine.example." in client.get(answer.location).text
    for wrong in ([], ["stranger@elsewhere.example"], ["editor@magazine.example", "stranger@elsewhere.example"]):
        refused = client.post(path, data={"csrf": csrf, "to": wrong})
        assert refused.status_code == 422
        assert "A test goes to people who work here." in refused.text
    args = ["newsletter", "issue", "test", str(issue_id), "--to", "editor@magazine.example", "--json"]
    assert json.loads(app.test_cli_runner().invoke(args=args).stdout)["to"] == ["editor@magazine.example"]
    assert [each.actor for each in audit.of(f"issue {issue_id}") if each.action == "test sent"] == [
        "command line",
        "editor@magazine.example",
    ]
    message = db.session.query(Message).order_by(Message.id.desc()).first()
    row = composers.Row(message.id, "test", 0, None, message.recipient_id, message.address, message.message_id, NOON)
    editing.word(db.session.get_one(Issue, issue_id), editing.Words(subject="Another"), editing.Hand("ed"))
    db.session.commit()
    (draft,) = composers.compose([row])
    wire = draft()
    assert draft().content == wire.content, "the same bytes on every attempt, whatever becomes of the issue"
    mail = email.message_from_bytes(wire.content, policy=email.policy.default)
    assert mail["Subject"].startswith("[Test] A lamp that folds flat")
    assert mail["To"] == "editor@magazine.example"
    assert "/unsubscribe/test>" in mail["List-Unsubscribe"]
    assert "This link is not complete or not ours." in client.get("/unsubscribe/test").text
    assert client.post("/unsubscribe/test", data={"List-Unsubscribe": "One-Click"}).status_code == 404


def test_too_many_tests_in_an_hour_are_refused(client, csrf):
    settings.use(dataclasses.replace(settings.current(), tests_per_hour=1))
    path = f"/admin/issues/{desk.issue('weekly')}/preview/test"
    assert client.post(path, data={"csrf": csrf, "to": "editor@magazine.example"}).status_code == 303
    assert client.post(path, data={"csrf": csrf, "to": "editor@magazine.example"}).status_code == 403
