"""Preflight: harm keeps an issue from being approved, by whatever door; anything else is a warning."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from sqlalchemy import select

from newsletter import clock, db, errors, settings
from newsletter.issues import composing, editing, foresight, lifecycle, planning, preflight, weblinks
from newsletter.issues.models import CheckedLink, Issue, IssueState
from newsletter.issues.weblinks import Standing
from newsletter.publication.models import Approval
from newsletter.scheduler import tick
from newsletter.staff import audit, editors
from newsletter.staff.models import Notice, Role
from tests.conftest import both_engines
from tests.issues import world

HAND = editing.Hand("ed@magazine.example")


class _Web(BaseHTTPRequestHandler):
    """Answers as its path says: /404; /head/405 refuses HEAD alone; /late never in time."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        _Web.asked.append(f"{self.command} {self.path}")
        first, _, rest = self.path.strip("/").partition("/")
        if first == "late":
            threading.Event().wait(1.5)
        elif first == "head":
            self._answer(int(rest) if self.command == "HEAD" else 200)
        elif first == "to":
            self._answer(302, f"/{rest}")
        else:
            self._answer(int(first))

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_given: object) -> None:
        pass


@pytest.fixture
def web(room) -> Iterator[str]:
    _Web.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _issue(*urls: str, **plan) -> Issue:
    world.magazine()
    daily = world.newsletter(**plan)
    world.reader("music", of=daily)
    for url in urls or ("https://magazine.example/a",):
        article = world.article("music")
        article.url = article.url_key = url
    issue = composing.compose(daily, now=clock.now())
    db.session.commit()
    return issue


def test_links_are_asked_once_with_head_then_get_and_each_answer_has_its_weight(web, time):
    settings.use(replace(settings.current(), link_time=timedelta(seconds=1)))
    weights = {
        **dict.fromkeys(("/200", "/head/404", "/head/405", "/to/200"), Standing.FINE),
        **dict.fromkeys(("/404", "/410", "/to/410"), Standing.DEAD),
        **dict.fromkeys(("/403", "/429", "/500", "/late"), Standing.DOUBTFUL),
    }
    issue = _issue(*(web + path for path in weights))
    issue_id = issue.id
    preflight.run(issue_id)
    answers = weblinks.known([web + path for path in weights], clock.now())
    assert {url.removeprefix(web): answer.standing for url, answer in answers.items()} == weights
    asked = len(_Web.asked)
    report = preflight.of(db.session.get_one(Issue, issue_id))
    assert (report.state, report.links, report.links_checked) == ("problems", 11, 11)
    assert {finding.said.removeprefix(web) for finding in report.blocks} == {
        "/404: It answers 404 (Not Found).",
        "/410: It answers 410 (Gone).",
        "/to/410: It answers 410 (Gone).",
    }
    assert report.blocks[0].places[0].anchor.startswith("story-")
    assert len([each for each in report.warnings if each.rule == "link"]) == 4
    preflight.run(issue_id)
    assert len(_Web.asked) == asked, "what is known is not asked again"
    preflight.ask(db.session.get_one(Issue, issue_id))
    db.session.commit()
    time.shift(1)
    preflight.run(issue_id)
    again = _Web.asked[asked:]
    assert "HEAD /404" in again, "what an editor says is mended is asked again"
    assert "HEAD /200" not in again


@both_engines
def test_tk_in_the_subject_keeps_it_from_being_approved_and_leads_to_the_field(room, time):
    issue = _issue()
    editing.word(issue, editing.Words(subject="TK: the lead"), HAND)
    db.session.commit()
    (typed,) = preflight.of(issue).blocks
    assert [place.anchor for place in typed.places] == ["f-subject"], "before anybody has looked it through"
    with pytest.raises(errors.Conflict, match="“TK” stands for words still to come"):
        lifecycle.approve(issue, actor="ed")
    db.session.rollback()
    assert preflight.look_through(issue.id)
    (found,) = preflight.of(issue).blocks
    assert found == typed
    editing.word(issue, editing.Words(subject="The lead"), HAND)
    db.session.commit()
    lifecycle.approve(issue, actor="ed")
    assert issue.state is IssueState.APPROVED


def test_what_is_wrong_is_told_with_its_place(room, time):
    issue = _issue("https://magazine.example/a", "javascript:alert(1)")
    editing.word(issue, editing.Words("x" * 71, "Hello *|NAME|*", "See [this](https://magazine.example/b)."), HAND)
    editing.reword(issue, issue.stories[0].article_id, headline="", dek="Lorem ipsum dolor", hand=HAND)
    db.session.commit()
    preflight.look_through(issue.id)
    report = preflight.of(issue)
    told = {(each.rule, each.places[0].anchor.split("-")[0]) for each in report.findings}
    assert told == {
        ("unfilled", "f"),
        ("placeholder", "story"),
        ("empty_link", "story"),
        ("subject", "f"),
        ("few", "stories"),
    }
    row = db.session.execute(select(preflight.Preflight.links)).scalar_one()
    assert {each["url"]: each["places"][0]["anchor"] for each in row if each["url"].endswith("/b")} == {
        "https://magazine.example/b": "f-intro"
    }


def test_a_subject_of_late_and_a_mail_too_large_are_told(room, time, monkeypatch):
    first = _issue()
    editing.word(first, editing.Words(subject="The same again"), HAND)
    lifecycle.approve(first, actor="ed")
    lifecycle.send_now(first, actor="ed")
    db.session.commit()
    planning.release(first.id)
    world.article("music")
    second = composing.compose(first.newsletter, now=clock.now())
    editing.word(second, editing.Words(subject="The same again"), HAND)
    db.session.commit()
    preflight.look_through(second.id)
    assert "No. 1 had the same subject, “The same again”." in [each.said for each in preflight.of(second).warnings]
    settings.use(replace(settings.current(), mail_html_bytes=5_000))
    preflight.ask(second)
    db.session.commit()
    preflight.look_through(second.id)
    with pytest.raises(errors.Conflict, match=r"Its HTML has \d+ KB"):
        lifecycle.approve(db.session.get_one(Issue, second.id), actor="ed")


def test_an_automatic_issue_that_would_do_harm_is_held_and_its_editors_told(web, time):
    editors.add("ed@magazine.example", Role.EDITOR)
    issue = _issue(f"{web}/200", at="12:30")
    db.session.delete(issue)
    story = world.article("music", headline="TK")
    db.session.commit()
    time.shift(timedelta(minutes=20).total_seconds())
    assert foresight.due(clock.now()) != []
    db.session.rollback()
    report = tick.run()
    assert report.problems == []
    assert db.session.scalar(select(CheckedLink.status).filter_by(url=f"{web}/200")) == 200, "asked before its time"
    time.shift(timedelta(minutes=10).total_seconds())
    report = tick.run()
    (held_id,) = report.held
    held = db.session.get_one(Issue, held_id)
    assert (held.state, held.held_reason) == (
        IssueState.DRAFT,
        "It would do harm as it is. “TK” stands for words still to come.",
    )
    assert "is held" in db.session.scalar(select(Notice.subject).filter_by(issue_id=held_id))
    editing.reword(held, story.id, headline="Mended", dek="", hand=HAND)
    lifecycle.approve(held, actor="ed")
    assert held.state is IssueState.APPROVED


def test_an_automatic_issue_waits_for_no_link_and_says_so(web, time):
    issue = _issue(f"{web}/404", at="12:30")
    db.session.delete(issue)
    db.session.commit()
    time.shift(timedelta(minutes=30).total_seconds())
    report = tick.run()
    (issue_id,) = report.released
    notes = [entry.after.get("note", "") for entry in audit.of(f"issue {issue_id}")]
    assert "1 of 1 links could not be checked in time." in notes


def test_the_command_says_what_is_to_be_mended_and_approving_by_command_is_refused(app, web, time):
    issue = _issue(f"{web}/404", f"{web}/200", f"{web}/to/200", approval=Approval.ONE)
    runner = app.test_cli_runner()
    answer = runner.invoke(args=["newsletter", "issue", "preflight", str(issue.id), "--json"])
    found = json.loads(answer.stdout)
    assert (answer.exit_code, found["state"], found["links"]) == (1, "problems", {"total": 3, "checked": 3})
    assert [each["said"] for each in found["blocks"]] == [f"{web}/404: It answers 404 (Not Found)."]
    assert found["editions"][0]["bytes"] > 5_000
    refused = runner.invoke(args=["newsletter", "issue", "approve", str(issue.id)])
    assert (refused.exit_code, "It cannot be approved." in refused.output) == (1, True)
