"""The rest of the desk: Today, articles, feeds, newsletters, readers, editors, on an empty and a full database."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from newsletter import db
from newsletter.articles import feeds, pages, polling, publishing
from newsletter.articles.models import Article, Feed
from newsletter.errors import FetchRefused
from newsletter.feedback import growth
from newsletter.feedback.models import GrowthDay
from newsletter.outbox import queue
from newsletter.outbox.models import Policy, Run, RunState
from newsletter.publication import newsletters, topics
from newsletter.publication.models import Approval
from newsletter.staff import audit, editors, notices
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

EMPTY = {
    "/admin": "Add the first one",
    "/admin/issues": "An issue needs a newsletter first",
    "/admin/articles": "No article yet",
    "/admin/feeds": "No feed yet",
    "/admin/newsletters": "No newsletter yet",
    "/admin/readers": "No reader yet",
}
FORM = {
    "slug": "evening",
    "title": "The Evening",
    "promise": "At the end of the day.",
    "topics": ["music"],
    "language": "en",
    "kind": "digest",
    "approval": "one",
    "days": ["mon", "wed"],
    "at": "18:30",
    "zone": "America/New_York",
    "holidays": "2026-12-25\n2027-01-01",
    "minimum_stories": "3",
    "is_public": "yes",
}


@pytest.fixture
def csrf(client, room):
    return desk.log_in(client, Role.ADMIN)


def _post(client, csrf, path, **fields):
    return client.post(path, data={"csrf": csrf, **fields})


@pytest.mark.parametrize("path", EMPTY)
def test_an_empty_page_says_what_to_do_next(client, csrf, path):
    assert EMPTY[path] in client.get(path).text


@both_engines
def test_mails_that_are_no_issues_go_on_from_today(client, csrf):
    desk.magazine()
    run = queue.open_run("agreement", 1, policy=Policy.RETRY, lifetime=timedelta(days=1))
    queue.add(run, [queue.Planned(reader, f"reader{reader}@readers.example") for reader in (1, 2)])
    queue.release(run)
    queue.pause(run, "The relay refused our sender.")
    run_id, path = run.id, f"/admin/runs/{run.id}/resume"
    db.session.commit()
    page = client.get("/admin").text
    for said in ("Asking readers to agree to Terms of Use, version 1", "The relay refused our sender.", "2 mails wait"):
        assert said in page, said
    assert path in page
    assert _post(client, csrf, path).status_code == 303
    (line,) = audit.of(f"run {run_id}")
    assert (line.action, line.actor) == ("resume", "admin@magazine.example")
    assert line.before == {"reason": "The relay refused our sender."}
    assert queue.find_run("agreement", 1).state is RunState.RUNNING
    db.session.rollback()
    assert path not in client.get("/admin").text
    assert _post(client, csrf, path).status_code == 409
    desk.issue("daily", "paused")
    issue_run = db.session.scalars(select(Run).filter_by(kind="issue")).one().id
    db.session.rollback()
    for unknown in (issue_run, 10**6):
        assert _post(client, csrf, f"/admin/runs/{unknown}/resume").status_code == 404
    desk.log_in(client, Role.WRITER)
    assert "/resume" not in client.get("/admin").text


@both_engines
def test_today_shows_what_is_next_what_waits_what_is_wrong_and_who_reads(client, csrf):
    desk.magazine()
    issue_id = desk.issue("weekly")
    feed = db.session.scalars(select(Feed)).one()
    feed.failures, feed.last_error = 2, "The server answered 503."
    notices.tell("k", subject="The Daily is held", text="It has no stories.", path=f"/admin/issues/{issue_id}")
    db.session.add(GrowthDay(day=growth.today(), newsletter="", topic="", joined=10, departed=0))
    db.session.commit()
    page = client.get("/admin").text
    for said in (
        "The Daily is held",
        "503",
        "2 times in a row",
        "Waits for you",
        "Needs an approval",
        "07:00 (Europe/Berlin)",
    ):
        assert said in page, said
    assert "<dd>10</dd>" in page
    notice_id = notices.unseen(editors.find("admin@magazine.example").id)[0].id
    db.session.rollback()
    _post(client, csrf, f"/admin/notices/{notice_id}/seen")
    assert "The Daily is held" not in client.get("/admin").text


@both_engines
def test_articles_are_found_by_word_and_topic_and_walked_by_key(client, csrf):
    desk.magazine()
    for number in range(60):
        desk.article(f"Story {number} 100%_sure", number=1000 + number)
    db.session.commit()
    first = client.get("/admin/articles").text
    assert "Story 59 " in first
    assert "Story 5 " not in first
    older = first.split('href="/admin/articles?before=')[1].split('"')[0]
    assert "Story 5 " in client.get(f"/admin/articles?before={older}").text
    assert "Story 7 " in client.get("/admin/articles?q=sToRy 7 ").text
    assert "quartet" not in client.get("/admin/articles?q=Story").text
    assert "No article like that" in client.get("/admin/articles?q=%25%25%25").text
    fashion = client.get("/admin/articles?topic=fashion").text
    assert "The coat is back" in fashion
    assert "quartet" not in fashion


def test_an_article_comes_in_by_its_address_with_nothing_open_meanwhile(client, csrf, monkeypatch):
    desk.magazine()
    open_meanwhile = []

    def read(url, *, topics=()):
        open_meanwhile.append(db.session().in_transaction())
        return publishing.Draft(url=url, headline="Brought in & kept", topics=tuple(topics))

    monkeypatch.setattr(pages, "read", read)
    answer = _post(client, csrf, "/admin/articles", url="https://magazine.example/new", topics=["music"])
    shown = client.get(answer.location).text
    assert "“Brought in &amp; kept” is in. It is offered to its topics’ newsletters." in shown
    assert 'title="The article in a digest"' in shown
    article = db.session.scalars(select(Article).filter_by(headline="Brought in & kept")).one()
    assert [topic.slug for topic in article.topics] == ["music"]
    assert audit.of(f"article {article.id}")[0].action == "article brought in"
    assert open_meanwhile == [False]


def test_a_page_that_cannot_be_read_says_why_and_keeps_what_was_typed(client, csrf, monkeypatch):
    desk.magazine()

    def refuse(url, *, topics=()):
        raise FetchRefused("The address is on a private network.")

    monkeypatch.setattr(pages, "read", refuse)
    answer = _post(client, csrf, "/admin/articles", url="https://10.0.0.1/x", topics=["music"])
    assert answer.status_code == 422
    assert "private network" in answer.text
    assert 'value="https://10.0.0.1/x"' in answer.text
    assert 'value="music" checked' in answer.text


def test_withdrawing_names_the_issues_and_takes_the_article_out_of_what_has_not_left(client, csrf):
    desk.magazine()
    desk.issue("weekly")
    article_id = db.session.scalars(select(Article.id).filter_by(headline=desk.HEADLINES[0][1])).one()
    db.session.rollback()
    assert "The Weekly" in client.get(f"/admin/articles/{article_id}/withdrawal").text
    assert "Say why" in _post(client, csrf, f"/admin/articles/{article_id}/withdrawal").text
    answer = _post(client, csrf, f"/admin/articles/{article_id}/withdrawal", reason="It was never made.")
    assert "is withdrawn" in client.get(answer.location).text
    _post(client, csrf, "/admin/newsletters/weekly/issues")
    issue = newsletters.get("weekly").id
    assert issue
    assert "Withdraw<" not in client.get("/admin/articles?q=lamp").text


def test_a_feed_is_added_with_topics_and_what_its_categories_mean(client, csrf):
    desk.magazine()
    answer = _post(
        client,
        csrf,
        "/admin/feeds",
        url="https://other.example/feed.xml",
        topics=["design"],
        category=["Gadgets & <Co>", "", "Alone"],
        category_topic=["tech", "music", ""],
        language="en",
    )
    assert answer.status_code == 303
    page = client.get("/admin/feeds").text
    assert "Gadgets &amp; &lt;Co&gt;" in page
    assert "Alone" not in page
    feed = db.session.scalars(select(Feed).filter_by(url="https://other.example/feed.xml")).one()
    assert {(each.category, each.topic.slug) for each in feed.mappings} == {("", "design"), ("Gadgets & <Co>", "tech")}


def test_a_feed_that_cannot_be_added_says_why_and_keeps_what_was_typed(client, csrf):
    desk.magazine()
    answer = _post(
        client, csrf, "/admin/feeds", url="ftp://x", topics=["nope"], category=["Kept"], category_topic=["tech"]
    )
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'value="Kept"' in answer.text
    assert len(feeds.all()) == 1


def test_fetch_now_says_what_came(client, csrf, monkeypatch):
    desk.magazine()
    report = polling.Report(1, new=3, updated=1, same=9)
    monkeypatch.setattr(polling, "poll", lambda feed_id: report)
    answer = _post(client, csrf, "/admin/feeds/1/fetches")
    assert "3 new, 1 updated, 9 unchanged." in client.get(answer.location).text


def test_a_newsletter_is_added_with_its_calendar_and_changed_in_place(client, csrf):
    topics.add("music", "Music")
    db.session.commit()
    assert _post(client, csrf, "/admin/newsletters", **FORM).status_code == 303
    made = newsletters.get("evening")
    assert (made.days, made.at, made.zone, made.approval, made.minimum_stories) == (
        ["mon", "wed"],
        "18:30",
        "America/New_York",
        Approval.ONE,
        3,
    )
    assert len(made.holidays) == 2
    made_id = made.id
    form = client.get("/admin/newsletters/evening").text
    assert 'value="wed" checked' in form
    seen = form.partition('name="seen" value="')[2].partition('"')[0]
    assert "2026-12-25" in form
    db.session.rollback()
    _post(
        client,
        csrf,
        "/admin/newsletters/evening",
        **FORM | {"title": "Evening", "approval": "none", "days": [], "at": "", "seen": seen},
    )
    db.session.expire_all()
    changed = newsletters.get("evening")
    assert (changed.id, changed.title, changed.days, changed.approval) == (made_id, "Evening", [], Approval.NONE)
    before_and_after = audit.of("newsletter evening")[0]
    assert (before_and_after.before["title"], before_and_after.after["title"]) == (["The Evening"], ["Evening"])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": " "}, "title"),
        ({"slug": "Not a slug"}, "slug"),
        ({"slug": "taken"}, "slug"),
        ({"topics": []}, "topics"),
        ({"at": ""}, "at"),
        ({"at": "25:00"}, "at"),
        ({"days": ["someday"]}, "days"),
        ({"zone": "Atlantis"}, "zone"),
        ({"holidays": "Christmas"}, "holidays"),
        ({"minimum_stories": "-1"}, "minimum_stories"),
        ({"look_back_days": "many"}, "look_back_days"),
    ],
)
def test_a_wrong_newsletter_is_refused_beside_its_field_and_keeps_what_was_typed(client, csrf, wrong, field):
    topics.add("music", "Music")
    newsletters.save("taken", newsletters.Plan("Taken", ["music"]))
    db.session.commit()
    answer = _post(client, csrf, "/admin/newsletters", **FORM | wrong)
    assert answer.status_code == 422
    assert f'href="#f-{field}"' in answer.text
    assert f'id="f-{field}"' in answer.text
    assert "At the end of the day." in answer.text
    assert [each.slug for each in newsletters.all()] == ["taken"]


def test_fields_nobody_offered_are_ignored(client, csrf):
    topics.add("music", "Music")
    newsletters.save("first", newsletters.Plan("First", ["music"]))
    db.session.commit()
    _post(client, csrf, "/admin/newsletters", **FORM, is_default="yes", id="77", position="0")
    made = newsletters.get("evening")
    assert (made.is_default, made.position) == (False, 2)
    assert made.id != 77


@both_engines
def test_readers_are_counted_searched_and_shown_with_what_they_agreed_to(client, csrf):
    desk.magazine()
    page = client.get("/admin/readers").text
    assert "reader11@readers.example" in page
    found = client.get("/admin/readers?q=READER11").text
    assert "reader11@" in found
    assert "reader10@" not in found
    ended = client.get("/admin/readers?state=ended").text
    assert "reader2@" in ended
    assert "reader3@" not in ended
    assert client.get("/admin/readers?state=wrong").status_code == 400
    one = client.get("/admin/readers/1").text
    assert "I agree to the Terms of Use and have read the Privacy Policy." in one
    assert "192.0.2.4" in one
    assert client.get("/admin/readers/999").status_code == 404


def test_an_editor_is_invited_by_a_link_shown_once(client, app, csrf):
    answer = _post(client, csrf, "/admin/editors", address="New@magazine.example", name="Noor", role="writer")
    link = answer.text.split('readonly value="')[1].split('"')[0]
    assert link.startswith("http://127.0.0.1:8000/admin/setup/")
    assert answer.headers["Cache-Control"] == "no-store"
    token = link.rpartition("/")[2]
    assert token not in client.get("/admin/editors").text
    assert app.test_client().get(f"/admin/setup/{token}").status_code == 200
    again = _post(client, csrf, "/admin/editors", address="new@magazine.example", role="admin")
    assert again.status_code == 422
    assert "works here already" in again.text
    editor = editors.find("new@magazine.example")
    assert editor.role == Role.WRITER
    newer = _post(client, csrf, f"/admin/editors/{editor.id}/link").text
    assert "One-time link for new@magazine.example" in newer
    assert app.test_client().get(f"/admin/setup/{token}").status_code == 404
    db.session.rollback()
    _post(client, csrf, f"/admin/editors/{editor.id}/role", role="publisher")
    _post(client, csrf, f"/admin/editors/{editor.id}/departure")
    assert [entry.action for entry in audit.of(f"editor {editor.id}")] == [
        "editor let go",
        "editor's role changed",
        "editor's link renewed",
        "editor invited",
    ]


def test_nobody_takes_their_own_place_away(client, csrf):
    admin = editors.find("admin@magazine.example").id
    db.session.rollback()
    for path, fields, said in (
        (f"/admin/editors/{admin}/departure", {}, "Nobody lets themselves go."),
        (f"/admin/editors/{admin}/role", {"role": "writer"}, "Nobody changes their own role."),
    ):
        answer = _post(client, csrf, path, **fields)
        assert answer.status_code == 409
        assert said in answer.text
    assert client.get("/admin/editors").status_code == 200


@pytest.mark.parametrize(
    "fields", [{"address": "nonsense", "role": "writer"}, {"address": "a@b.example", "role": "owner"}]
)
def test_a_wrong_invitation_is_refused(client, csrf, fields):
    assert _post(client, csrf, "/admin/editors", **fields).status_code == 422
    assert len(editors.all()) == 1


def test_issues_are_listed_by_newsletter_and_state(client, csrf):
    desk.magazine()
    sent, draft = desk.issue("breaking", "sent"), desk.issue("weekly")
    cancelled = desk.issue("daily", "cancelled")
    for query, expected in {
        "": {sent, draft, cancelled},
        "state=sent": {sent},
        "state=draft": {draft},
        "state=cancelled": {cancelled},
        "state=paused": set(),
        "newsletter=weekly": {draft},
        "newsletter=weekly&state=sent": set(),
    }.items():
        text = client.get(f"/admin/issues?{query}").text
        assert {
            number for number in (sent, draft, cancelled) if f'href="/admin/issues/{number}"' in text
        } == expected, query
    assert client.get("/admin/issues?state=wrong").status_code == 400
    assert client.get("/admin/issues?newsletter=wrong").status_code == 404
