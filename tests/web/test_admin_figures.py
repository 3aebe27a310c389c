"""Figures now: the page, its tables and the command say what a full count says."""

import csv
import io
import json
from collections import Counter

import pytest
from sqlalchemy import select, update

from newsletter import db
from newsletter.audience import unsubscribe
from newsletter.audience.consent import Origin
from newsletter.audience.reader_links import ReaderLink
from newsletter.feedback import counting, results
from newsletter.outbox import queue
from newsletter.outbox.models import Message, MessageState
from newsletter.publication import newsletters
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk


@pytest.fixture
def issue_id(client, room, configured):
    """An issue most of whose readers have it; one left after it."""
    desk.magazine()
    issue_id = desk.issue("daily", "sent")
    run = queue.find_run("issue", issue_id)
    ids = list(db.session.scalars(select(Message.id).where(Message.run_id == run.id).order_by(Message.id)))
    for message_id, state in zip(
        ids, (MessageState.BOUNCED, MessageState.UNCERTAIN, MessageState.SKIPPED), strict=False
    ):
        db.session.execute(update(Message).where(Message.id == message_id).values(state=state))
    unsubscribe.leave(ReaderLink(5, newsletters.get("daily").id), Origin("one-click"))
    db.session.commit()
    desk.log_in(client, Role.WRITER)
    while counting.count_page():
        db.session.commit()
    return issue_id


@both_engines
def test_an_issues_figures_are_those_of_its_messages(client, issue_id):
    run = queue.find_run("issue", issue_id)
    full = Counter(db.session.scalars(select(Message.state).where(Message.run_id == run.id)))
    (found,) = results.page()
    assert (found.planned, found.accepted) == (run.planned, full[MessageState.SENT])
    assert (found.bounced, found.uncertain, found.other, found.waiting) == (1, 1, 1, 0)
    rows = list(csv.DictReader(io.StringIO(client.get("/admin/figures/issues.csv").text.lstrip("\ufeff"))))
    assert [(row["newsletter"], int(row["accepted"])) for row in rows] == [("daily", found.accepted)]
    page = client.get("/admin/figures?newsletter=daily").text
    assert f'href="/admin/issues/{issue_id}"' in page
    assert 'role="img" aria-labelledby="growth-title growth-words"' in page


def test_the_page_is_drawn_from_the_first_day_on_and_says_what_it_does_not_know(client, room):
    desk.magazine()
    desk.log_in(client, Role.WRITER)
    assert "The scheduler has not counted yet." in client.get("/admin/figures").text
    for query, status in (("period=365&topic=music", 200), ("period=1", 400), ("newsletter=x", 404), ("topic=x", 404)):
        assert client.get(f"/admin/figures?{query}").status_code == status


def test_the_command_says_the_same(app, client, issue_id):
    answer = app.test_cli_runner().invoke(args=["newsletter", "figures", "--json"])
    data = json.loads(answer.output)
    assert (data["issues"][0]["issue_id"], data["issues"][0]["bounced"]) == (issue_id, 1)
    assert "bounced" in app.test_cli_runner().invoke(args=["newsletter", "figures", "--newsletter", "daily"]).output
