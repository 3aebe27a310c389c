"""The way of an issue over the desk: composed, worded, approved, scheduled, sent, stopped."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from newsletter import clock, db, signing
from newsletter.articles.models import Article
from newsletter.issues import composing, counting, editing, lifecycle, planning
from newsletter.issues.models import Issue, IssueState
from newsletter.outbox import queue
from newsletter.publication import newsletters
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.web import desk

NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*1910003}}${7*1910003}",
    "javascript:alert(1)",
    "</textarea><svg onload=alert(1)>",
    "\u202egnp.exe",
)


@pytest.fixture
def magazine(room):
    desk.magazine()


@pytest.fixture
def csrf(client, magazine):
    return desk.log_in(client, Role.EDITOR)


def _issue(issue_id):
    db.session.rollback()
    issue = db.session.get_one(Issue, issue_id)
    db.session.refresh(issue)
    return issue


def _version(issue_id):
    return _issue(issue_id).version


def _actions(issue_id):
    found = [entry.action for entry in reversed(audit.of(f"issue {issue_id}"))]
    db.session.rollback()
    return found


def _post(client, csrf, path, **fields):
    return client.post(path, data={"csrf": csrf, **fields})


def test_compose_shows_what_came_and_again_only_what_is_new(client, csrf):
    answer = _post(client, csrf, "/admin/newsletters/weekly/issues")
    page = client.get(answer.location)
    assert "6 stories added." in page.text
    assert "A keyboard for people who write letters" in page.text
    issue_id = int(re.search(r"/issues/(\d+)", answer.location).group(1))
    assert (
        "Nothing has arrived since."
        in client.get(_post(client, csrf, "/admin/newsletters/weekly/issues").location).text
    )
    desk.article("A late story about a bridge")
    db.session.commit()
    assert "1 story added." in client.get(_post(client, csrf, "/admin/newsletters/weekly/issues").location).text
    assert _actions(issue_id) == ["composed"] * 3


def test_what_was_said_once_is_not_said_to_another_session_or_later(client, app, csrf):
    told = _post(client, csrf, "/admin/newsletters/weekly/issues").location
    assert "stories added" in client.get(told).text
    other = app.test_client()
    desk.log_in(other, Role.EDITOR)
    assert "stories added" not in other.get(told).text
    with time_machine.travel(clock.now() + timedelta(minutes=2)):
        assert "stories added" not in client.get(told).text
    assert client.get(told.split("told=")[0] + "told=%3Cb%3E").status_code == 200


@pytest.mark.parametrize("act", ["up", "down", "pin", "drop"])
def test_a_story_is_moved_pinned_and_dropped_and_one_line_says_so(client, csrf, act):
    issue_id = desk.issue("weekly")
    order = [entry.article_id for entry in _issue(issue_id).stories]
    before = len(_actions(issue_id))
    answer = _post(client, csrf, f"/admin/issues/{issue_id}/stories/{order[2]}", do=act)
    assert answer.status_code == 303
    assert answer.location.endswith(f"#story-{order[2]}")
    expected = {
        "up": [order[0], order[2], order[1], *order[3:]],
        "down": [order[0], order[1], order[3], order[2], *order[4:]],
        "pin": [order[2], order[0], order[1], *order[3:]],
        "drop": [*order[:2], *order[3:]],
    }
    assert [entry.article_id for entry in _issue(issue_id).stories] == expected[act]
    assert len(_actions(issue_id)) == before + 1


def test_a_dropped_story_can_be_taken_back_and_an_unknown_act_is_refused(client, csrf):
    issue_id = desk.issue("weekly")
    article_id = _issue(issue_id).stories[0].article_id
    path = f"/admin/issues/{issue_id}/stories/{article_id}"
    _post(client, csrf, path, do="drop")
    assert "1 story dropped or left out" not in client.get(f"/admin/issues/{issue_id}").text, "its place offers Undo"
    _post(client, csrf, f"/admin/issues/{issue_id}/stories/{_issue(issue_id).stories[1].article_id}", do="pin")
    assert "1 story dropped or left out" in client.get(f"/admin/issues/{issue_id}").text
    _post(client, csrf, path, do="take")
    assert len(_issue(issue_id).stories) == 6
    assert _post(client, csrf, path, do="explode").status_code == 400
    assert _post(client, csrf, f"/admin/issues/{issue_id}/stories/999", do="drop").status_code == 404


def test_a_story_is_reworded_for_this_issue_and_gets_its_own_words_again(client, csrf):
    issue_id = desk.issue("weekly")
    article_id = _issue(issue_id).stories[1].article_id
    page, path = f"/admin/issues/{issue_id}", f"/admin/issues/{issue_id}/stories/{article_id}/words"
    mark = editing.mark_of("", "")
    answer = _post(client, csrf, path, headline="Ours  now", dek="", mark=mark)
    assert answer.location.endswith(f"#story-{article_id}")
    assert [text in client.get(page).text for text in ("Ours now", "Reworded", "Undo: reworded")] == [True] * 3
    stale = _post(client, csrf, path, headline="Theirs", dek="Their dek", mark=mark)
    assert stale.status_code == 409
    assert [text in stale.text for text in ("Ours now", "Theirs", "Their dek")] == [True] * 3
    long = _post(client, csrf, path, headline="x" * 301, dek="Kept", mark=editing.mark_of("Ours now", ""))
    assert long.status_code == 422
    assert "The headline has more than 300 characters." in long.text
    assert "Kept" in long.text
    assert _issue(issue_id).stories[1].headline == "Ours now"
    _post(client, csrf, path, do="reset", headline="Ours now")
    assert _issue(issue_id).stories[1].headline == ""


def test_the_last_change_is_undone_and_only_the_one_that_was_shown(client, csrf):
    issue_id = desk.issue("weekly")
    page = f"/admin/issues/{issue_id}"
    first, second = [entry.article_id for entry in _issue(issue_id).stories][:2]
    _post(client, csrf, f"{page}/stories/{first}", do="drop")
    shown = client.get(page).text
    assert re.search(rf'class="gone" id="story-{first}".*?Dropped.*?Undo</button>', shown, re.DOTALL)
    step = re.search(r'name="step" value="(\d+)"', shown).group(1)
    _post(client, csrf, f"{page}/stories/{second}", do="pin")
    assert _post(client, csrf, f"{page}/undo", step=step).status_code == 409
    for label in ("made “Four voices", "dropped “A lamp"):
        answer = _post(client, csrf, f"{page}/undo")
        assert f"Undone: {label}" in client.get(answer.location).text
    assert [entry.article_id for entry in _issue(issue_id).stories][:2] == [first, second]
    assert _actions(issue_id)[-1] == "change undone"
    assert _post(client, csrf, f"{page}/undo").status_code == 409


def test_a_change_to_an_approved_issue_says_that_it_is_a_draft_again(client, csrf):
    issue_id = desk.issue("weekly", "approved")
    article_id = _issue(issue_id).stories[1].article_id
    answer = _post(client, csrf, f"/admin/issues/{issue_id}/stories/{article_id}", do="up")
    assert "Moved to 1 of 6. The issue is a draft again" in client.get(answer.location).text


def test_arrivals_are_taken_and_left_on_the_page_and_counted_on_today(client, csrf):
    issue_id = desk.issue("weekly")
    page = f"/admin/issues/{issue_id}"
    one, two, three = (desk.article(f"Late story {number}", number=200 + number) for number in range(3))
    db.session.commit()
    assert "3 later arrivals" in client.get("/admin").text
    assert "3 later arrivals" in client.get(page).text
    chosen = {"do": "choose", "article": [one, two], "shown": [one, two, three]}
    told = client.get(_post(client, csrf, f"{page}/arrivals", **chosen).location).text
    assert "2 stories taken in. 1 story left out, for good." in told
    assert 'id="arrivals"' not in told
    four = desk.article("Late story 4", number=204)
    db.session.commit()
    assert 'value="take" class="small"' in client.get(page).text, "a single one is taken or left"
    told = client.get(_post(client, csrf, f"{page}/arrivals", do="leave", article=four).location).text
    assert ("1 story left out, for good." in told, "later arrival" in told) == (True, False)
    assert _post(client, csrf, f"{page}/arrivals", do="take", article=three).status_code == 409
    assert _post(client, csrf, f"{page}/arrivals", do="choose", shown=three).status_code == 422
    assert _post(client, csrf, f"{page}/arrivals", do="take").status_code == 422


def test_words_are_kept_and_a_stale_save_shows_both_and_loses_nothing(client, csrf):
    issue_id = desk.issue("weekly")
    version = _version(issue_id)
    path = f"/admin/issues/{issue_id}/words"
    first = {"subject": "Mine first", "preheader": "", "intro": "Line one\r\nLine two", "version": version}
    assert _post(client, csrf, path, **first).status_code == 303
    assert _issue(issue_id).intro == "Line one\nLine two"
    answer = _post(client, csrf, path, subject="Mine second", preheader="p", intro="Another", version=version)
    assert answer.status_code == 409
    for text in ("Mine first", "Line one", "Mine second", "Another"):
        assert text in answer.text
    assert _issue(issue_id).subject == "Mine first"
    newest = int(re.search(r'name="version" value="(\d+)"', answer.text).group(1))
    assert _post(client, csrf, path, subject="Mine second", preheader="p", intro="A", version=newest).status_code == 303
    assert _issue(issue_id).subject == "Mine second"


def test_words_that_save_themselves_mind_others_words_alone_and_take_no_approval_back(client, csrf):
    issue_id = desk.issue("weekly")
    path, nothing = f"/admin/issues/{issue_id}", editing.mark_of("", "", "")
    _post(client, csrf, f"{path}/stories/{_issue(issue_id).stories[0].article_id}", do="down")
    assert _post(client, csrf, f"{path}/words", subject="One", mark=nothing).status_code == 303
    assert _post(client, csrf, f"{path}/words", subject="Two", mark=nothing).status_code == 409
    seen = _version(issue_id)
    assert "changed" not in client.get(f"{path}/meanwhile?version={seen}").text
    lifecycle.approve(_issue(issue_id), actor="ida@magazine.example")
    db.session.commit()
    assert "ida@magazine.example changed this issue at" in client.get(f"{path}/meanwhile?version={seen}").text
    answer = _post(client, csrf, f"{path}/words", subject="Three", mark=editing.mark_of("One", "", ""))
    assert (answer.status_code, "Three" in answer.text) == (409, True)
    assert _issue(issue_id).state is IssueState.APPROVED


def test_words_that_are_too_long_stay_in_the_form(client, csrf):
    issue_id = desk.issue("weekly")
    answer = _post(
        client, csrf, f"/admin/issues/{issue_id}/words", subject="x" * 301, intro="Kept", version=_version(issue_id)
    )
    assert answer.status_code in (400, 422)
    assert _issue(issue_id).subject == ""


@pytest.fixture
def half_past() -> Iterator[None]:
    """Far from the last minute before an issue goes, in which its time is told in seconds."""
    now = clock.now()
    moment = now.replace(minute=30, second=0)
    with time_machine.travel(moment if moment > now else moment + timedelta(hours=1)):
        yield


@pytest.mark.usefixtures("half_past")
def test_approve_and_schedule_for_the_named_time(client, csrf):
    issue_id = desk.issue("weekly")
    page = client.get(f"/admin/issues/{issue_id}").text
    label = re.search(r"Approve and send (\w+ \d+ \w+ 08:00 \(Europe/Berlin\))", page)
    goes_at = re.search(r'name="goes_at" value="([^"]+)"', page).group(1)
    answer = _post(
        client, csrf, f"/admin/issues/{issue_id}/approval", version=_version(issue_id), then="later", goes_at=goes_at
    )
    assert f"It goes {label.group(1)}." in client.get(answer.location).text
    issue = _issue(issue_id)
    assert (issue.state, issue.send_at.isoformat()) == (IssueState.SCHEDULED, goes_at)
    assert _actions(issue_id)[-2:] == ["approved", "scheduled"]


def test_what_changed_since_it_was_looked_at_is_not_approved(client, csrf):
    issue_id = desk.issue("weekly")
    seen = _version(issue_id)
    composing.compose(newsletters.get("weekly"))
    db.session.commit()
    answer = _post(client, csrf, f"/admin/issues/{issue_id}/approval", version=seen)
    assert answer.status_code == 409
    assert "changed since you looked" in answer.text
    assert _issue(issue_id).state is IssueState.DRAFT


def test_it_is_scheduled_on_the_clock_of_its_zone(client, csrf):
    issue_id = desk.issue("weekly", "approved")
    path = f"/admin/issues/{issue_id}/schedule"
    day = (clock.now() + timedelta(days=300)).date().replace(month=7, day=1)
    if day < clock.now().date():
        day = day.replace(year=day.year + 1)
    assert _post(client, csrf, path, on=day.isoformat(), at="07:30").status_code == 303
    assert f"{_issue(issue_id).send_at:%H:%M}" == "05:30"
    for fields, sentence in (
        ({"on": "2001-01-01", "at": "07:00"}, "This time is past"),
        ({"on": "tomorrow", "at": "7"}, "choose a date and a time"),
        ({}, "choose a date and a time"),
    ):
        answer = _post(client, csrf, path, **fields)
        assert answer.status_code == 422
        assert sentence in answer.text
    assert f"{_issue(issue_id).send_at:%H:%M}" == "05:30"


def test_send_now_asks_first_plans_nothing_itself_and_shows_progress(client, csrf):
    issue_id = desk.issue("weekly", "approved")
    assert "Send to its readers now" in client.get(f"/admin/issues/{issue_id}/release").text
    counting.count(issue_id)
    review = client.get(f"/admin/issues/{issue_id}/release").text
    assert "Send to 10 readers now" in review
    assert "in 60 seconds; until then it can be undone" in review
    _post(client, csrf, f"/admin/issues/{issue_id}/release", version=_version(issue_id))
    page = client.get(f"/admin/issues/{issue_id}").text
    assert re.search(r'role="timer" data-seconds-left="(59|60)"', page)
    assert "Undo: do not send" in page
    assert f'data-live="/admin/issues/{issue_id}/progress"' in page
    assert queue.find_run("issue", issue_id) is None, "planning is the scheduler's"
    db.session.rollback()
    planning.release(issue_id)
    fragment = client.get(f"/admin/issues/{issue_id}/progress").text
    assert '<progress class="bar" max="10" value="0"' in fragment
    assert "<html" not in fragment
    assert "On its way" in client.get("/admin").text


def test_a_sending_issue_is_paused_resumed_and_cancelled(client, csrf):
    issue_id = desk.issue("weekly", "sending")
    page = f"/admin/issues/{issue_id}"
    for act, state, button in (
        ("pause", "paused", "Resume"),
        ("resume", "sending", "Pause"),
        ("cancellation", "cancelled", ""),
    ):
        answer = _post(client, csrf, f"{page}/{act}")
        assert answer.status_code == 303
        assert lifecycle.shown_state(_issue(issue_id)) == state
        shown = client.get(page).text
        assert f'<span class="state state-{state}">{state}</span>' in shown
        assert button in shown
    assert _actions(issue_id)[-3:] == ["pause", "resume", "cancel"]
    again = _post(client, csrf, f"{page}/pause")
    assert again.status_code == 409
    assert 'role="alert"' in again.text


def test_back_to_draft_and_a_writer_cannot_undo_an_approval_by_editing(client, app, csrf):
    issue_id = desk.issue("weekly", "scheduled")
    writer = app.test_client()
    writers = desk.log_in(writer, Role.WRITER)
    article_id = _issue(issue_id).stories[0].article_id
    for path, fields in (
        (f"/admin/issues/{issue_id}/stories/{article_id}", {"do": "drop"}),
        (f"/admin/issues/{issue_id}/words", {"subject": "x"}),
        ("/admin/newsletters/weekly/issues", {}),
    ):
        assert _post(writer, writers, path, **fields).status_code == 403
    assert _issue(issue_id).state is IssueState.SCHEDULED
    assert "An editor approves" not in writer.get(f"/admin/issues/{issue_id}").text
    assert _post(client, csrf, f"/admin/issues/{issue_id}/draft").status_code == 303
    assert _issue(issue_id).state is IssueState.DRAFT
    assert "An editor approves and sends it." in writer.get(f"/admin/issues/{issue_id}").text


def test_a_preview_is_sandboxed_and_follows_the_chosen_topics(client, csrf):
    issue_id = desk.issue("weekly")
    assert "frame-src" not in client.get("/admin/issues").headers["Content-Security-Policy"]
    mail = client.get(f"/admin/issues/{issue_id}/preview/mail")
    policy = mail.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    music = next(topic for topic in newsletters.get("weekly").topics if topic.slug == "music")
    music_id = music.id
    db.session.rollback()
    text = client.get(f"/admin/issues/{issue_id}/preview?as=text&topic={music_id}").text
    assert "Four voices, one room" in text
    framed = client.get(f"/admin/issues/{issue_id}/preview?topic={music_id}")
    assert (
        f'<iframe class="mail-frame" sandbox src="/admin/issues/{issue_id}/preview/mail?topic={music_id}&amp;as=mail"'
        in framed.text
    )
    assert "frame-src 'self'" in framed.headers["Content-Security-Policy"]


@pytest.mark.parametrize("nasty", NASTY)
def test_what_feeds_and_people_write_is_inert_on_every_page(client, csrf, nasty):
    desk.log_in(client, Role.ADMIN)
    for number, article in enumerate(db.session.scalars(select(Article))):
        article.headline = f"{nasty} {number}"
        article.dek = article.author = nasty
        article.url = nasty
    db.session.commit()
    token = desk.log_in(client, Role.ADMIN)
    issue_id = desk.issue("weekly")
    words = {"subject": nasty, "preheader": nasty, "intro": nasty, "version": _version(issue_id)}
    assert _post(client, token, f"/admin/issues/{issue_id}/words", **words).status_code == 303
    stale = _post(client, token, f"/admin/issues/{issue_id}/words", **words)
    assert stale.status_code == 409
    _post(client, token, "/admin/editors", address="x@magazine.example", name=nasty, role="writer")
    pages = [stale] + [
        client.get(path)
        for path in (
            "/admin",
            "/admin/issues",
            f"/admin/issues/{issue_id}",
            f"/admin/issues/{issue_id}/preview",
            f"/admin/issues/{issue_id}/preview/mail",
            f"/admin/issues/{issue_id}/cancellation",
            "/admin/articles",
            "/admin/articles/1/withdrawal",
            "/admin/editors",
            f"/admin/articles?q={nasty}",
            f"/admin/readers?q={nasty}",
        )
    ]
    for page in pages:
        assert page.status_code in (200, 409)
        text = page.text.lower()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "<svg" not in text
        assert 'href="javascript:' not in text
        assert "13370021" not in text


def test_a_forged_told_sentence_is_not_shown(client, csrf):
    forged = signing.sign_dated("other", [1, "Send money"])
    assert "Send money" not in client.get(f"/admin?told={forged}").text
