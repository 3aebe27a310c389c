"""The masthead on the desk and by command: saved with its words, looked at before, never over somebody else's."""

import io
import json

import pytest
from PIL import Image

from newsletter import db
from newsletter.mail import schemes
from newsletter.publication import masthead
from newsletter.publication.masthead import Plan
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

PATH = "/admin/masthead"
PLAN = Plan("The Other", "Since this morning", "de", "#0a7d5a", "slab", {"read_full": "Ganz lesen", "more": "Noch"})


@pytest.fixture
def csrf(client, room):
    desk.magazine()
    yield desk.log_in(client, Role.PUBLISHER)
    db.session.rollback()


def _form(csrf: str, plan: Plan = PLAN, *, seen: Plan | None = None, **changed: str) -> dict[str, str]:
    labels = {f"label-{key}": plan.labels.get(key, "") for key in masthead.LABELS}
    words = {name: getattr(plan, name) for name in ("name", "tagline", "language", "accent", "fonts")}
    mark = masthead.stamp(seen or masthead.plan_of(masthead.current()))
    db.session.rollback()
    return {"csrf": csrf, "seen": mark, **words, **labels, **changed}


def _png(width: int = 300, height: int = 60) -> io.BytesIO:
    drawn = io.BytesIO()
    Image.new("RGBA", (width, height), (0, 0, 0, 0)).save(drawn, "PNG")
    drawn.seek(0)
    return drawn


def _saved() -> Plan:
    db.session.rollback()
    return masthead.plan_of(masthead.current())


@both_engines
def test_what_is_typed_is_saved_and_emptied_words_are_the_products_own_again(client, csrf):
    assert client.post(PATH, data=_form(csrf)).status_code == 303
    assert _saved() == PLAN
    (entry,) = audit.of("masthead")
    assert (entry.actor, entry.before["name"], entry.after["name"]) == (
        "publisher@magazine.example",
        "The Magazine",
        "The Other",
    )
    assert client.post(PATH, data=_form(csrf, **{"label-read_full": "", "label-more": "  "})).status_code == 303
    assert _saved().labels == {}
    assert masthead.label(masthead.current(), "more") == "Mehr"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", " ", "needs a name"),
        ("name", "x" * 81, "at most 80"),
        ("tagline", "one\ntwo", "on one line"),
        ("accent", "red", "like #b3261e"),
        ("accent", "#12345g", "like #b3261e"),
        ("fonts", "comic", "must be one of"),
        ("language", "tlh", "must be one of"),
        ("label-more", "m" * 161, "at most 160"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_with_everything_typed_kept(client, csrf, field, value, said):
    before = _saved()
    answer = client.post(PATH, data=_form(csrf, **{field: value}))
    assert answer.status_code == 422
    assert said in answer.text
    assert "Since this morning" in answer.text or field == "tagline"
    assert _saved() == before


def test_two_editors_are_told_of_each_other_and_the_second_chooses(client, csrf):
    opened = _saved()
    assert client.post(PATH, data=_form(csrf, seen=opened, name="First")).status_code == 303
    answer = client.post(PATH, data=_form(csrf, seen=opened, name="Second"))
    assert answer.status_code == 409
    assert "Name: First" in answer.text
    assert 'value="Second"' in answer.text
    assert _saved().name == "First"
    mark = answer.text.partition('name="seen" value="')[2].partition('"')[0]
    assert client.post(PATH, data=_form(csrf, name="Second") | {"seen": mark}).status_code == 303
    assert _saved().name == "Second"


def test_without_script_a_button_shows_the_sample_and_saves_nothing(client, csrf):
    before = _saved()
    answer = client.post(PATH, data=_form(csrf, do="look", scheme="dark"))
    assert answer.status_code == 200
    assert "name=The+Other" in answer.text
    assert "scheme=dark" in answer.text
    assert _saved() == before


def test_the_sample_wears_what_is_typed_in_light_and_in_dark_and_stands_on_what_cannot_be(client, csrf):
    desk.issue("daily")
    query = {"name": "<b>Odd", "accent": "#0a7d5a", "fonts": "slab", "language": "en", "label-read_full": "Go on"}
    light, dark = (client.get(f"{PATH}/sample", query_string=query | {"scheme": each}) for each in schemes.SCHEMES)
    for answer in (light, dark):
        assert "&lt;b&gt;Odd" in answer.text
        assert "Go on" in answer.text
        assert "prefers-color-scheme" not in answer.text
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert light.text != dark.text
    broken = client.get(f"{PATH}/sample", query_string={"name": "", "accent": "#12", "fonts": "no", "language": ""})
    assert broken.status_code == 200
    assert "The Magazine" in broken.text


def test_a_magazine_without_an_issue_sees_stories_of_ours(client, room):
    desk.log_in(client, Role.WRITER)
    assert "A lamp that folds flat" in client.get(f"{PATH}/sample?name=New").text


@pytest.mark.parametrize(
    ("colour", "said"), [("#b3261e", "as it is"), ("#ffe000", "made darker"), ("#00", "once it is a colour")]
)
def test_the_contrast_of_an_accent_is_computed_and_told(client, csrf, colour, said):
    assert said in client.get(f"{PATH}/accent", query_string={"accent": colour}).text


def test_a_logo_is_taken_from_a_file_and_given_back(client, csrf):
    posted = {"csrf": csrf, "picture": (_png(), "logo.png")}
    assert client.post(f"{PATH}/logo", data=posted).status_code == 303
    page = client.get(PATH).text
    assert 'alt="The Magazine"' in page
    assert client.post(f"{PATH}/logo", data={"csrf": csrf, "do": "remove"}).status_code == 303
    assert 'alt="The Magazine"' not in client.get(PATH).text
    given, taken = audit.of("masthead")[1], audit.of("masthead")[0]
    assert given.after["logo"] == taken.before["logo"] != taken.after["logo"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"picture": (io.BytesIO(b"<svg/>"), "logo.svg")}, "not a picture we can read"),
        ({"picture": (_png(10, 10), "logo.png")}, "too small"),
        ({"url": "ftp://magazine.example/logo.png"}, ""),
        ({}, "choose a picture"),
    ],
)
def test_what_is_no_logo_is_refused_with_a_sentence(client, csrf, sent, said):
    answer = client.post(f"{PATH}/logo", data={"csrf": csrf, **sent})
    assert answer.status_code == 422
    assert said in answer.text
    assert 'id="f-logo-problem"' in answer.text


def test_the_command_changes_what_is_named_and_nothing_else(app, room):
    def run(*words: str) -> dict[str, object]:
        result = app.test_cli_runner().invoke(args=["newsletter", "masthead", *words, "--json"])
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.output))

    run("--name", "One", "--label", "more=Further", "--label", "read_full=Go on")
    assert run("--tagline", "Twice")["name"] == "One"
    assert run()["labels"] == {"more": "Further", "read_full": "Go on"}
    assert run("--no-labels", "--label", "more=On")["labels"] == {"more": "On"}
    assert {each.actor for each in audit.of("masthead")} == {"command line"}
    refused = app.test_cli_runner().invoke(args=["newsletter", "masthead", "--label", "nothing=x"])
    assert (refused.exit_code, "Labels: hypes_one" in refused.output) == (1, True)
