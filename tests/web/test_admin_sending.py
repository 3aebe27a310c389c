"""Thursday's Daily over the desk's doors: approved in time, late, too late, by two, and undone."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from newsletter import clock, db
from newsletter.issues import composing, lifecycle, progress
from newsletter.issues.models import Issue
from newsletter.outbox import workers
from newsletter.outbox.models import Message, MessageState, Run
from newsletter.publication import newsletters
from newsletter.publication.models import Approval
from newsletter.scheduler import tick
from newsletter.staff import audit, editors
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.issues.world import article, magazine, newsletter, reader
from tests.web import desk

# Berlin is an hour ahead: the draft opens Wednesday 16:00 there, for Thursday 07:00.
WEDNESDAY = datetime(2026, 11, 25, 15, tzinfo=UTC)
SEVEN = datetime(2026, 11, 26, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def time():
    with time_machine.travel(WEDNESDAY - 60 * MINUTE, tick=False) as traveller:
        yield traveller


@pytest.fixture
def daily(room, time):
    """The Daily with one approval, two stories, two readers, an editor of each role."""
    magazine()
    made = newsletter(at="07:00", zone="Europe/Berlin", approval=Approval.ONE)
    made.calendar_from_at = WEDNESDAY - 60 * MINUTE
    article("music", ready_at=WEDNESDAY - 60 * MINUTE)
    article("art", ready_at=WEDNESDAY - 60 * MINUTE)
    reader("music", "art", of=made)
    reader("art", of=made)
    for role in Role:
        editors.add(f"{role.value}@magazine.example", role)
    db.session.commit()
    return made


@pytest.fixture
def issue_id(daily, time):
    time.move_to(WEDNESDAY)
    (composed,) = run().composed
    return composed


def run() -> tick.Report:
    db.session.rollback()
    report = tick.run()
    assert report.problems == []
    return report


class Editor:
    """Somebody at the desk: looks at an issue, presses what they see, is told what came of it."""

    def __init__(self, client, role=Role.EDITOR):
        self.client, self.token, self.page = client, desk.log_in(client, role), ""

    def look(self, issue_id):
        answer = self.client.get(f"/admin/issues/{issue_id}")
        assert answer.status_code == 200
        self.page = answer.text
        return self.page

    def press(self, issue_id, act, status=303, **typed):
        """Send the form of an act with what the page put into it."""
        form = next(each for each in re.findall(r"(?s)<form.*?</form>", self.look(issue_id)) if act in each)
        path = re.search(r'action="([^"]+)"', form).group(1)
        fields = dict(re.findall(r'name="(\w+)" (?:type="\w+" required )?value="([^"]*)"', form))
        answer = self.client.post(path, data=fields | typed)
        assert answer.status_code == status, answer.text
        return self.client.get(answer.location).text if status == 303 else answer.text


def stands(issue_id):
    db.session.rollback()
    return lifecycle.shown_state(db.session.get_one(Issue, issue_id))


def lines(issue_id):
    db.session.rollback()
    found = [entry for entry in reversed(audit.of(f"issue {issue_id}")) if "hash" in entry.after]
    return [(entry.action, bool(entry.before["hash"]), bool(entry.after["hash"])) for entry in found]


def mailed():
    db.session.rollback()
    query = select(Message.address).join(Run, Run.id == Message.run_id).where(Run.kind == "notice")
    return sorted(db.session.scalars(query))


@both_engines
def test_thursdays_daily_is_shown_approved_undone_approved_again_and_goes_at_seven(client, issue_id, time):
    assert mailed() == ["admin@magazine.example", "editor@magazine.example", "publisher@magazine.example"]
    editor = Editor(client)
    today = client.get("/admin").text
    assert "Thursday 26 November 07:00 (Europe/Berlin)" in today
    assert "Needs an approval, due Thursday 26 November 06:30, in 14 hours." in today
    assert "2 stories" in today
    page = editor.look(issue_id)
    assert "Approval is due Thursday 26 November 06:30, in 14 hours; unapproved it is held." in page
    assert "admin@magazine.example, publisher@magazine.example may approve it as well" in page
    button = "Approve and send Thursday 26 November 07:00 (Europe/Berlin)"
    assert "Approved. It goes Thursday 26 November 07:00 (Europe/Berlin)." in editor.press(issue_id, button)
    assert "It is a draft, and needs an approval." in editor.press(issue_id, "Undo the approval")
    assert stands(issue_id) == "draft"
    editor.press(issue_id, button)
    assert lines(issue_id) == [
        ("approved", False, True),
        ("scheduled", True, True),
        ("undone", True, False),
        ("approved", False, True),
        ("scheduled", True, True),
    ]
    time.move_to(SEVEN)
    assert run().released == [issue_id]
    db.session.rollback()
    found = progress.status(db.session.get_one(Issue, issue_id))
    assert (found["planned"], found["queued"]) == (2, 2)
    db.session.rollback()
    editor = Editor(client)
    assert "1" in client.get("/archive/daily/1").text


def test_unapproved_it_is_warned_of_held_and_goes_at_twenty_to_eight(client, issue_id, time):
    time.move_to(SEVEN - 30 * MINUTE)
    assert run().warned == [issue_id]
    page = Editor(client).look(issue_id)
    assert "Approval was due 06:30; unapproved it is held in 30 minutes." in page
    time.move_to(SEVEN)
    report = run()
    assert (report.held, report.released) == ([issue_id], [])
    assert db.session.scalars(select(Message).join(Run, Run.id == Message.run_id).filter_by(kind="issue")).all() == []
    time.move_to(SEVEN + 40 * MINUTE)
    editor = Editor(client)
    page = editor.press(issue_id, "Approve and send now (07:40; it was due 07:00)")
    assert "Approved. It goes in 60 seconds." in page
    assert 'data-seconds-left="60"' in page
    page = editor.press(issue_id, "Undo: do not send")
    assert "It is a draft, and needs an approval." in page
    assert "Nobody approved it before its time, Thursday 26 November 2026, 07:00 (Europe/Berlin)." in page
    editor.press(issue_id, "Approve and send now")
    time.shift(59)
    assert run().released == []
    time.shift(1)
    assert run().released == [issue_id]
    late = editor.client.post(f"/admin/issues/{issue_id}/undoing", data={"csrf": editor.token})
    assert late.status_code == 409
    assert "It is too late: the mails are leaving." in late.text


def test_after_six_hours_it_asks_first(client, issue_id, time):
    time.move_to(SEVEN)
    run()
    time.move_to(SEVEN + 359 * MINUTE)
    editor = Editor(client)
    assert "Approve and send now (12:59; it was due 07:00)" in editor.look(issue_id)
    version = re.search(r'name="version" value="(\d+)"', editor.page).group(1)
    time.shift(2 * 60)
    stale = client.post(
        f"/admin/issues/{issue_id}/approval", data={"csrf": editor.token, "version": version, "then": "now"}
    )
    assert (stale.status_code, stands(issue_id)) == (409, "draft")
    assert "too long ago to go by itself" in editor.look(issue_id)
    wrong = editor.press(issue_id, "Approve and send then", 422, on="2026-11-20", at="09:15")
    assert 'value="2026-11-20"' in wrong
    assert 'value="09:15"' in wrong
    assert stands(issue_id) == "draft"
    page = editor.press(issue_id, "Approve and send then", on="2026-11-26", at="15:00")
    assert "Approved. It goes Thursday 26 November 15:00 (Europe/Berlin)." in page


def test_a_send_that_is_undone_has_its_time_again_unless_that_has_passed(client, issue_id, time):
    editor = Editor(client)
    editor.press(issue_id, "Approve and send Thursday")
    for ahead, state in ((60 * MINUTE, "scheduled"), (MINUTE / 2, "approved")):
        time.move_to(SEVEN - ahead)
        editor = Editor(client)
        version = db.session.get_one(Issue, issue_id).version
        db.session.rollback()
        client.post(f"/admin/issues/{issue_id}/release", data={"csrf": editor.token, "version": version})
        time.shift(45)
        editor.press(issue_id, "Undo: do not send")
        assert stands(issue_id) == state
    assert run().released == []


ONE, TWO, NONE = Approval.ONE, Approval.TWO, Approval.NONE
Ed, Pub = Role.EDITOR, Role.PUBLISHER


WHO_MUST_APPROVE = (
    (NONE, [Ed], "approved", [303]),
    (ONE, [Ed], "approved", [303]),
    (ONE, [Role.WRITER], "draft", [403]),
    (TWO, [Ed], "draft", [303]),
    (TWO, [Ed, Ed], "draft", [303, 409]),
    (TWO, [Ed, Pub], "approved", [303, 303]),
    (TWO, [Ed, "edit", Pub], "draft", [303, 303, 303]),
    (TWO, [Ed, "edit", Pub, Ed], "approved", [303, 303, 303, 303]),
    (TWO, [Ed, "undo", Pub], "draft", [303, 303, 303]),
    (TWO, [Ed, "undo", Ed, Pub], "approved", [303, 303, 303, 303]),
    (TWO, [Ed, Pub, "undo"], "draft", [303, 303, 303]),
    (TWO, [Ed, Pub, "undo", Pub], "approved", [303, 303, 303, 303]),
)


def test_who_must_approve(app, daily):
    doors = {role: app.test_client() for role in (Role.WRITER, Ed, Pub)}
    tokens = {role: desk.log_in(door, role) for role, door in doors.items()}
    for rule, steps, state, statuses in WHO_MUST_APPROVE:
        made = newsletters.get("daily")
        made.approval = rule
        issue_id, found = composing.compose(made).id, []
        db.session.commit()
        for step in steps:
            version = db.session.get_one(Issue, issue_id, populate_existing=True).version
            db.session.rollback()
            act = {"edit": "words", "undo": "undoing"}.get(step, "approval")
            role = step if isinstance(step, Role) else Ed
            fields = {"csrf": tokens[role], "version": version, "subject": "Another subject"}
            found.append(doors[role].post(f"/admin/issues/{issue_id}/{act}", data=fields).status_code)
        assert (stands(issue_id), found) == (state, statuses), (rule, steps)
        lifecycle.cancel(db.session.get_one(Issue, issue_id), actor="test")
        db.session.commit()


def test_the_second_approver_is_told_and_sees_who_was_first(client, daily):
    made = newsletters.get("daily")
    made.approval = TWO
    issue_id = composing.compose(made).id
    db.session.commit()
    assert "Your approval is noted. It needs one more." in Editor(client).press(
        issue_id, "Approve, as the first of two"
    )
    assert mailed() == ["admin@magazine.example", "publisher@magazine.example"]
    page = Editor(client).look(issue_id)
    assert "Take my approval back" in page
    assert "It needs one more: admin@magazine.example, publisher@magazine.example." in page
    page = Editor(client, Role.PUBLISHER).look(issue_id)
    assert "editor@magazine.example approved it" in page
    assert "Approve and send Thursday 26 November 07:00" in page


def test_how_fast_it_goes_and_when_it_is_done_is_told_and_the_sums_add_up(client, issue_id, time):
    db.session.rollback()
    for _ in range(38):
        reader("music", of=newsletters.get("daily"))
    Editor(client).press(issue_id, "Approve and send Thursday")
    time.move_to(SEVEN)
    run()
    editor, sent = Editor(client), 0
    for seconds, settled, said in ((2, 10, "5 a second, 6 seconds left: done about 07:00"), (12, 32, "3 a second")):
        time.move_to(SEVEN + timedelta(seconds=seconds))
        _settle(settled - sent)
        sent = settled
        fragment = client.get(f"/admin/issues/{issue_id}/progress").text
        assert said in fragment
        counted = dict(re.findall(r"<dt>([\w ]+)</dt><dd>(\d+)</dd>", fragment))
        assert int(counted.pop("in all")) == sum(int(number) for number in counted.values()) == 40
        assert counted["sent"] == str(settled)
    assert "3 a second" in client.get("/admin").text
    editor.press(issue_id, ">Pause<")
    assert "a second" not in client.get(f"/admin/issues/{issue_id}/progress").text


def _settle(number):
    db.session.rollback()
    ids = select(Message.id).join(Run, Run.id == Message.run_id).where(Run.kind == "issue", Message.state == "queued")
    chosen = db.session.scalars(ids.order_by(Message.id).limit(number)).all()
    values = {"state": MessageState.SENT, "settled_at": clock.now()}
    db.session.execute(update(Message).where(Message.id.in_(chosen)).values(values))
    db.session.commit()


@pytest.fixture
def sent(client, room):
    """An issue that was sent, two of its mails uncertain, one refused and one given up; the ids of those four."""
    desk.magazine()
    issue_id = desk.issue("weekly", "sent")
    ids = db.session.scalars(select(Message.id).order_by(Message.id).limit(4)).all()
    ends = (
        (MessageState.UNCERTAIN, None, "the connection broke"),
        (MessageState.UNCERTAIN, None, "the worker ended"),
        (MessageState.BOUNCED, 550, "550 5.7.1 <b>not today</b>"),
        (MessageState.EXPIRED, 451, "451 come back later"),
    )
    for message_id, (state, code, reply) in zip(ids, ends, strict=True):
        values = {"state": state, "last_phase": "dot", "last_code": code, "last_reply": reply, "attempts": 2}
        db.session.execute(update(Message).where(Message.id == message_id).values(values))
    db.session.commit()
    return issue_id, ids


def test_mails_are_listed_by_state_and_looked_up_by_address(client, sent):
    issue_id, ids = sent
    address = db.session.get_one(Message, ids[2]).address
    db.session.rollback()
    desk.log_in(client, Role.EDITOR)
    page = client.get(f"/admin/issues/{issue_id}/messages?state=bounced").text
    assert page.count("<tr>") == 2
    assert "550 5.7.1 &lt;b&gt;not today&lt;/b&gt;" in page
    page = client.get(f"/admin/issues/{issue_id}/messages?q={address.upper()}").text
    assert "2 attempts. <span" in re.sub(r"\s+", " ", page)
    assert (
        "There is no reader of this address" in client.get(f"/admin/issues/{issue_id}/messages?q=no@one.example").text
    )
    assert client.get(f"/admin/issues/{issue_id}/messages?state=lost").status_code == 400
    desk.log_in(client, Role.WRITER)
    assert address not in client.get(f"/admin/issues/{issue_id}").text


def test_failed_mails_are_looked_at_and_sent_again(client, sent):
    issue_id, _ = sent
    editor = Editor(client)
    path = f"/admin/issues/{issue_id}/resending"
    assert path in editor.look(issue_id)
    review = client.get(path).text
    assert "Send 2 mails again" in review
    fields = dict(re.findall(r'name="(after|up_to)" value="(\d+)"', review))
    assert client.post(path, data={"csrf": editor.token}).status_code == 422
    answer = client.post(path, data=fields | {"csrf": editor.token})
    assert "2 mails are queued again." in client.get(answer.location).text
    assert stands(issue_id) == "sending"
    assert "No mail of this issue failed." in client.get(path).text


def test_doubts_are_settled_one_by_one_or_all_with_their_number_typed(client, sent):
    issue_id, ids = sent
    token, path = desk.log_in(client, Role.EDITOR), f"/admin/issues/{issue_id}/uncertain"
    assert path in client.get("/admin").text
    for typed, said in (
        ({"do": "resend", "count": "3", "note": "As told"}, "Please type 2, the number of messages"),
        ({"count": "2", "note": "As told"}, "Please choose what became of them."),
        ({"do": "sent", "count": "2", "note": "x" * 301}, "Please use at most 300 characters."),
    ):
        answer = client.post(path, data={"csrf": token} | typed)
        assert answer.status_code == 422
        assert said in answer.text
        assert f'value="{typed["note"]}"' in answer.text
    answer = client.post(path, data={"csrf": token, "message": ids[0], "do": "sent", "note": "She wrote to us"})
    assert "1 mail settled." in client.get(answer.location).text
    (line, *_) = audit.of(f"issue {issue_id}")
    assert line.after["evidence"] == "settled by an editor: She wrote to us"
    db.session.rollback()
    client.post(path, data={"csrf": token, "message": ids[2], "do": "sent"})
    answer = client.post(path, data={"csrf": token, "do": "resend", "count": "1"})
    assert "1 mail queued again." in client.get(answer.location).text
    db.session.rollback()
    found = {each: db.session.get_one(Message, each).state for each in ids}
    assert list(found.values()) == ["sent", "queued", "bounced", "expired"]
    desk.log_in(client, Role.EDITOR)
    page = client.get("/admin/readers/1").text
    assert "The Weekly" in page.split('id="story-title"')[1]
    assert "settled by an editor: She wrote to us" in page


@both_engines
def test_today_says_what_went_wrong(client, issue_id, time):
    Editor(client).press(issue_id, "Approve and send Thursday")
    time.move_to(SEVEN + 3 * MINUTE)
    desk.log_in(client, Role.EDITOR)
    assert "did not leave" in client.get("/admin").text
    assert run().released == [issue_id]
    time.shift(3 * 60)
    page = client.get("/admin").text
    assert "did not leave" not in page
    assert "No mail leaves" in page
    with db.extension.engine.begin() as connection:
        worker_id = workers.start(connection)
    assert "No mail leaves" not in client.get("/admin").text
    with db.extension.engine.begin() as connection:
        workers.end(connection, worker_id)
        ids = connection.execute(
            select(Message.id).join(Run, Run.id == Message.run_id).filter_by(kind="issue")
        ).scalars()
        connection.execute(
            update(Message).where(Message.id.in_(list(ids))).values(state="bounced", settled_at=clock.now())
        )
    page = client.get("/admin").text
    assert "1 or more of 2 mails bounced." in page
    assert f"/admin/issues/{issue_id}/messages?state=bounced" in page
    time.shift(8 * 24 * 60 * 60)
    desk.log_in(client, Role.EDITOR)
    assert "bounced." not in client.get("/admin").text


def test_today_says_when_nothing_keeps_the_calendar(client, daily, time):
    newsletters.get("daily").approval = NONE
    db.session.commit()
    desk.log_in(client, Role.EDITOR)
    for minutes, is_said in ((-1, False), (1, False), (3, True)):
        time.move_to(SEVEN + minutes * MINUTE)
        desk.log_in(client, Role.EDITOR)
        assert ("The Daily did not appear" in client.get("/admin").text) == is_said
    run()
    assert "The Daily did not appear" not in client.get("/admin").text
