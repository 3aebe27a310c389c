"""Publishing a legal text on the desk: looked at first, with what it changes and what it does."""

import html
import json
from datetime import timedelta

import pytest

from newsletter import clock, db
from newsletter.publication import legal
from newsletter.publication.models import LegalKind, LegalWay
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

PATH = "/admin/texts"
TEXT = {
    "kind": "terms",
    "language": "en",
    "way": "told",
    "title": "Terms of Use",
    "markdown": "Be kind.\r\n\r\n*Always.*",
}


@pytest.fixture
def csrf(client, room):
    desk.magazine()
    yield desk.log_in(client, Role.PUBLISHER)
    db.session.rollback()


def _post(client, csrf, path=PATH, **fields):
    return client.post(path, data={"csrf": csrf} | TEXT | fields)


def _day(days=14):
    return (clock.now() + timedelta(days=days)).date().isoformat()


@both_engines
def test_a_text_is_looked_at_before_it_is_published(client, csrf):
    page = _post(client, csrf, f"{PATH}/review")
    assert page.status_code == 200
    assert html.escape(html.escape("<em>Always.</em>")) not in page.text
    assert html.escape("<em>Always.</em>") in page.text
    assert "<ins>Be kind.</ins>" in page.text
    assert "<del>This is a placeholder" in page.text
    assert "The Daily (0 readers)" in page.text  # as the scheduler counted them: not yet
    assert legal.current(LegalKind.TERMS).version == 1
    db.session.rollback()
    assert _post(client, csrf, version="2").status_code == 303
    assert legal.current(LegalKind.TERMS).markdown == "Be kind.\n\n*Always.*"
    (entry,) = audit.of("terms 2")
    assert entry.after["way"] == "told"


@both_engines
def test_readers_are_counted_beside_the_review_and_the_number_is_typed_there(client, csrf):
    ask = {"way": "asked", "ask_by": _day()}
    page = _post(client, csrf, f"{PATH}/review", **ask).text
    assert 'data-load="/admin/texts/readers?language=en"' in page
    assert "gets nothing from then on" in page
    assert client.get(f"{PATH}/readers?language=en").text == "10"
    assert "10 in all" in _post(client, csrf, f"{PATH}/review", do="count", **ask).text
    wrong = _post(client, csrf, version="2", readers="11", **ask)
    assert (wrong.status_code, 'value="11"' in wrong.text, "Type 10 to go on." in wrong.text) == (409, True, True)
    assert _post(client, csrf, version="2", readers="10", **ask).status_code == 303
    assert legal.current(LegalKind.TERMS).way is LegalWay.ASKED


def test_what_cannot_be_is_said_beside_its_field_and_everything_typed_stays(client, csrf):
    for fields, field, said in (
        ({"kind": ""}, "kind", "Please choose the text."),
        ({"way": "shouted"}, "way", "Please choose how readers learn of it."),
        ({"language": "tlh"}, "language", "Please choose a language."),
        ({"title": " "}, "title", "Please write the title."),
        ({"markdown": ""}, "markdown", "Please write the text."),
        ({"way": "asked", "ask_by": "soon"}, "ask_by", "Please choose the day by which readers are to agree."),
        ({"way": "asked", "ask_by": "2020-01-01"}, "ask_by", "must lie ahead."),
        ({"kind": "privacy", "way": "asked", "ask_by": "2099-01-01"}, "way", "never agreed to again."),
    ):
        typed = TEXT | {"language": "de", "ask_by": "2099-02-03", "readers": "77"} | fields
        stays = [f'value="{typed[name]}"' for name in ("title", "ask_by", "readers")]
        stays += [f'name="{n}" value="{typed[n]}" required checked' for n in ("kind", "way") if typed[n]]
        stays += ['value="de" lang="de" selected'] if field != "language" else []
        for path in (PATH, f"{PATH}/review"):
            answer = _post(client, csrf, path, **typed)
            assert answer.status_code == 422
            assert f'id="f-{field}-problem"' in answer.text
            assert said in answer.text
            assert typed["markdown"] in answer.text
            assert [each for each in stays if each not in answer.text and "shouted" not in each] == []


def test_a_text_somebody_else_replaced_meanwhile_is_looked_at_again(client, csrf):
    legal.publish(LegalKind.TERMS, title="Terms of Use", markdown="Be kind, please.\n\n*Always.*")
    db.session.commit()
    answer = _post(client, csrf, version="2")
    assert answer.status_code == 409
    assert "Somebody published version 2 meanwhile." in answer.text
    assert "Be kind<del>, please</del>." in answer.text
    assert 'name="version" value="3"' in answer.text
    assert _post(client, csrf).status_code == 409
    assert "word for word" in _post(client, csrf, markdown="Be kind, please.\n\n*Always.*", version="3").text
    assert legal.current(LegalKind.TERMS).version == 2


def test_a_language_of_its_own_has_its_own_versions(app, client, csrf):
    assert "nothing stood before it" in _post(client, csrf, f"{PATH}/review", language="de").text
    assert _post(client, csrf, language="de", title="Nutzung", markdown="Sei nett.", version="1").status_code == 303
    assert (
        _post(client, csrf, language="de", title="Nutzung", markdown="Sei sehr nett.", version="2").status_code == 303
    )
    page = client.get(PATH).text
    assert 'href="/admin/texts/terms/de/2"' in page
    page = client.get(f"{PATH}/terms/de/2").text
    assert "Sei <ins>sehr </ins>nett." in page
    assert "Nothing stood before it." in client.get(f"{PATH}/terms/de/1").text
    assert client.get(f"{PATH}/terms/de/3").status_code == client.get(f"{PATH}/rules/de/1").status_code == 404
    shown = app.test_cli_runner().invoke(args=["newsletter", "legal", "diff", "terms", "--language", "de"])
    assert "~ Sei {+sehr +}nett." in shown.output
    args = ["newsletter", "legal", "diff", "terms", "--language", "de", "--version", "1", "--json"]
    assert [line["mark"] for line in json.loads(app.test_cli_runner().invoke(args=args).output)["changes"]] == [
        "new"
    ] * 2
