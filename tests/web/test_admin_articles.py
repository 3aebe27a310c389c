"""The articles' list and an article's page on the desk, and their commands."""

import json

import pytest

from newsletter import clock, db
from newsletter.articles import catalogue, feeds, publishing
from newsletter.articles.catalogue import Search
from newsletter.articles.models import Article
from newsletter.publication import topics
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk


@pytest.fixture
def csrf(client, room):
    desk.magazine()
    return desk.log_in(client, Role.WRITER)


def place(client, csrf, **fields):
    answer = client.post("/admin/articles/1/place", data={"csrf": csrf, **fields})
    return answer.status_code, client.get(answer.location).text if answer.status_code == 303 else answer.text


@both_engines
def test_articles_are_found_by_words_topic_state_feed_and_language(room):
    desk.magazine()
    first = db.session.get_one(Article, 1)
    publishing.withdraw(first, "Wrong.")
    publishing.publish(publishing.Draft("https://magazine.example/de", "Ein Stuhl", language="de"))
    feedless = {each.id for each in catalogue.page()}
    found = {
        name: [each.headline for each in catalogue.page(search)]
        for name, search in {
            "words": Search(words="KEYBOARD"),
            "topic": Search(topic="music"),
            "state": Search(state="withdrawn"),
            "untagged": Search(state="untagged"),
            "feed": Search(feed_id=1),
            "language": Search(language="de"),
        }.items()
    }
    assert [len(each) for each in found.values()] == [1, 2, 1, 1, 0, 1]
    assert found["untagged"] == found["language"] == ["Ein Stuhl"]
    assert {each.id for each in catalogue.page(before=3)} == {1, 2} < feedless


def test_what_an_editor_chooses_of_an_article_no_feed_undoes(client, csrf):
    form = {"main": "music", "topics": ["design", "music"], "priority": "3", "hypes": "4,000", "comments": ""}
    status, page = place(client, csrf, evergreen="yes", picture_url="https://magazine.example/new.jpg", **form)
    assert (status, "It is saved." in page) == (303, True)
    draft = publishing.Draft(
        "https://magazine.example/stories/0", "Mine", topics=("fashion",), hypes=1, comments=9, guid="0",
        picture_url="https://magazine.example/old.jpg",
    )  # fmt: skip
    article = publishing.publish(draft).article
    assert article.id == 1
    assert [each.slug for each in article.topics] == ["music", "design"]
    assert (article.hypes, article.comments, article.priority, article.is_evergreen) == (4000, None, 3, True)
    assert article.picture_url == "https://magazine.example/new.jpg"
    line = audit.of("article 1")[0]
    assert (line.before["topics"], line.after["topics"]) == (["design"], ["music", "design"])
    db.session.rollback()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"priority": "12"}, "A priority is a whole number from -9 to 9."),
        ({"hypes": "many"}, "Please write a whole number."),
        ({"comments": "-1"}, "A count is a whole number from 0 on"),
        ({"picture_url": "ftp://x"}, "An address begins with http"),
        ({"main": "nothing"}, "There is no topic"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_kept(client, csrf, fields, said):
    status, page = place(client, csrf, **({"priority": "1"} | fields))
    assert (status, said in page) == (422, True)
    for name, value in fields.items():
        assert name == "main" or (f'name="{name}"' in page and f'value="{value}"' in page)
    assert db.session.get_one(Article, 1).priority == 0
    db.session.rollback()


def test_commands_list_and_place_articles(app, csrf):
    def run(*words: str) -> dict:
        answer = app.test_cli_runner().invoke(args=["newsletter", "article", *words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.output)

    assert run("place", "1", "--topic", "music", "--priority", "2")["changed"] == ["priority", "topics"]
    assert 1 in [each["article"] for each in run("list", "--topic", "music")["articles"]]
    assert run("list", "--state", "withheld")["articles"] == []
    assert topics.all()
    db.session.rollback()


def test_a_feed_is_paused_and_fetched_again(client, app, csrf):
    token = desk.log_in(client, Role.PUBLISHER)
    for do, is_due in (("pause", False), ("resume", True)):
        client.post("/admin/feeds/1/pause", data={"csrf": token, "do": do})
        assert (feeds.due(clock.now()) == [1]) == is_due
        assert ("Paused." in client.get("/admin/feeds").text) == (do == "pause")
        db.session.rollback()
    made = app.test_cli_runner().invoke(args=["newsletter", "feed", "pause", "1", "--json"])
    assert json.loads(made.output) == {"feed": 1, "is_active": False}


@both_engines
def test_an_article_is_written_by_hand_and_no_feed_overwrites_it(client, csrf, app):
    form = {
        "headline": "Typed", "dek": "By hand.", "url": "https://magazine.example/typed", "body": "*Here* <script>",
        "author": "Ida Vale", "language": "en", "main": "music", "topics": ["design"], "priority": "2", "hypes": "",
        "comments": "", "picture_url": "", "picture_alt": "A hand",
    }  # fmt: skip
    before = len(catalogue.page())
    for wrong in (
        {"headline": " "},
        {"url": "typed"},
        {"url": "https://magazine.example/stories/0#x", "headline": "A twin"},
        {"priority": "many"},
        {"language": "xx"},
        {"picture_url": "ftp://x"},
        {"main": "nope"},
    ):
        answer = client.post("/admin/articles/new", data={"csrf": csrf, **form, **wrong})
        assert (answer.status_code, "*Here* &lt;script&gt;" in answer.text) == (422, True), wrong
        assert len(catalogue.page()) == before
        assert catalogue.get(1).headline == desk.HEADLINES[0][1]
        db.session.rollback()
    answer = client.post("/admin/articles/new", data={"csrf": csrf, **form})
    assert "The article is published." in client.get(answer.location).text
    article = catalogue.page()[0]
    publishing.publish(publishing.Draft(form["url"], "The feed’s", topics=("fashion",)), feed=feeds.get(1))
    assert (article.headline, [each.slug for each in article.topics]) == ("Typed", ["music", "design"])
    assert article.body_html.strip() == "<p><em>Here</em> &lt;script&gt;</p>"
    assert article.ready_at is not None
    assert audit.of(f"article {article.id}")[0].action == "article written"
    db.session.commit()
    words = ["write", "https://magazine.example/cli", "--headline", "From a file", "--topic", "music", "--body", "-"]
    made = app.test_cli_runner().invoke(args=["newsletter", "article", *words, "--json"], input="**Text**")
    assert json.loads(made.output)["topics"] == ["music"]


def test_typed_words_are_shown_as_in_a_digest_before_they_are_saved(client, csrf):
    shown = client.get("/admin/articles/1/preview?headline=Typed+<b>now</b>&dek=&scheme=dark").text
    assert shown.count("Typed now") > 2
    assert desk.HEADLINES[0][1] not in shown
    typed = {
        "csrf": csrf,
        "do": "look",
        "seen": "then",
        "headline": "Typed <now>",
        "body": "Kept",
        "dek": "",
        "url": "",
    }
    page = client.post("/admin/articles/1/words", data=typed).text
    assert 'name="seen" value="then"' in page
    assert 'value="Typed &lt;now&gt;"' in page
    assert "/admin/articles/1/preview?headline=Typed+%3Cnow%3E" in page
    assert catalogue.get(1).headline == desk.HEADLINES[0][1]
