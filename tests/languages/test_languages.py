"""Readers are spoken to in their language: nothing untranslated, nothing left out, right to left where it is."""

import email
import email.policy
import json
import re
from datetime import timedelta

import pytest
import time_machine

from newsletter import clock, db, settings
from newsletter.audience import letters, signup
from newsletter.audience.models import ConsentRecord, Subscriber
from newsletter.issues import calendar
from newsletter.languages import gathering, speech
from newsletter.mail import looks, words
from newsletter.outbox import composers
from newsletter.outbox.models import Message
from newsletter.publication import legal, masthead, newsletters
from newsletter.publication.models import LegalKind
from tests.audience import magazine

CODES = [code for code in speech.codes() if code != speech.OWN]
TOKEN = re.compile(r"\{%.*?%\}|\{#.*?#\}|\{\{.*?\}\}|<!--.*?-->|<(?:\{%.*?%\}|\{\{.*?\}\}|[^>])*>", re.DOTALL)
# Styles, comments for one mail program, and blocks that hold attributes rather than words.
ATTRIBUTES = re.compile(
    r"<style>.*?</style>|<!--\[.*?\]-->|{% block (?:body_attributes|main_class) %}.*?{% endblock %}", re.DOTALL
)
# Names of things that are the same in every language.
UNTRANSLATABLE = re.compile(r"&\w+;|SHA-256")


@pytest.mark.parametrize("code", CODES)
def test_every_sentence_is_translated(code):
    assert gathering.untranslated(code) == []


@pytest.mark.parametrize("code", CODES)
def test_a_translation_fills_in_exactly_what_the_sentence_does(code):
    catalogue = gathering._read(speech.CATALOGUES / f"{code}.po", code)
    for message in catalogue:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = {name for each in ids for name in re.findall(r"%\((\w+)\)s", each)}
        for each in said if message.id else ():
            assert set(re.findall(r"%\((\w+)\)s", each)) == wanted, message.id
            assert not re.search(r"%(?!\(\w+\)[sd])", each), message.id


def test_no_words_of_a_template_escape_translation():
    folder = settings.ROOT / "templates"
    for path in sorted({path for pattern in gathering._PAGES for path in folder.glob(pattern)}):
        name = str(path.relative_to(folder))
        if not name.startswith(gathering._NOT_FOR_READERS):
            text = ATTRIBUTES.sub("", path.read_text())
            left = UNTRANSLATABLE.sub("", TOKEN.sub(" ", text))
            assert not re.search(r"[A-Za-z]{2,}", left), f"{name}: {left.split()}"
            for attribute in re.findall(r'(?:aria-label|title|placeholder|alt)="([^"{]*[A-Za-z][^"{]*)"', text):
                assert attribute in ("light dark",), f"{name}: {attribute}"


SENTENCES = {"de": "Ich stimme {terms} zu und habe {privacy} gelesen.", "ar": "أوافق على {terms} وقرأت {privacy}."}


@pytest.fixture
def polyglot(room):
    """The magazine with consent texts in English, German and Arabic."""
    magazine.found()
    for code, sentence in (
        ("de", "Ich stimme {terms} zu und habe {privacy} gelesen."),
        ("ar", "أوافق على {terms} وقرأت {privacy}."),
    ):
        legal.word_consent(sentence, code)
        for kind in LegalKind:
            legal.publish(kind, title=f"{kind.value} {code}", markdown="…", language=code)
    db.session.commit()


@pytest.mark.parametrize(
    ("accepted", "code", "direction", "heading"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "ltr", "Verpassen Sie nichts Neues"),
        ("ar-EG", "ar", "rtl", "لا تفوّت الجديد"),
        ("fr, en;q=0.3", "en", "ltr", "Don’t miss out"),
        ("", "en", "ltr", "Don’t miss out"),
    ],
)
def test_a_page_speaks_the_browsers_language(client, polyglot, accepted, code, direction, heading):
    answer = client.get("/", headers={"Accept-Language": accepted})
    assert f'<html lang="{code}" dir="{direction}">' in answer.text
    assert heading in answer.text
    assert answer.headers["Content-Language"] == code
    assert "Accept-Language" in answer.headers["Vary"]
    assert f'lang="{code}"' in client.get(f"/subscribe?language={code}").text
    missing = client.get("/nowhere", headers={"Accept-Language": accepted})
    assert f'lang="{code}"' in missing.text


def test_a_language_without_consent_texts_is_not_offered(client, room):
    magazine.found()
    answer = client.get("/", headers={"Accept-Language": "de"})
    assert 'lang="en"' in answer.text
    assert "Vary" not in answer.headers


def test_a_german_sign_up_is_german_to_the_mail_and_the_record(client, polyglot):
    with time_machine.travel(clock.now() - timedelta(minutes=1)):
        page = client.get("/subscribe", headers={"Accept-Language": "de"})
    token = re.search(r'name="form" value="([^"]+)"', page.text)[1]
    fields = {"form": token, "email": "ana@readers", "topics": "music"}
    wrong = client.post("/subscribe", data=fields).text
    for said in (
        "Bitte prüfen Sie 2 Angaben",
        "sieht nicht nach einer vollständigen Adresse aus",
        "setzen Sie das Häkchen",
    ):
        assert said in wrong
    magazine.ask("ana@readers.example", topics=["music"], language="de")
    record = db.session.query(ConsentRecord).one()
    assert (record.language, record.sentence) == ("de", "Ich stimme terms de zu und habe privacy de gelesen.")
    message = db.session.query(Message).one()
    sent = _composed(message)
    assert "Bestätigen Sie Ihr Abonnement von The Magazine" in sent
    assert "Der Link gilt 7 Tage" in sent
    token = magazine.newest_token()
    assert "Abonnement bestätigen" in client.get(f"/confirm/{token}").text
    magazine.confirm()
    assert db.session.query(Subscriber).one().language == "de"


def test_numbers_dates_and_rhythms_are_said_as_the_language_says_them(polyglot):
    daily = newsletters.get("daily")
    assert calendar.how_often(daily, "de") == "Jeden Tag um 07:00 Uhr (UTC)"
    assert calendar.how_often(newsletters.get("weekly"), "ar") == "كل الجمعة، الساعة 17:00 (UTC)"
    assert words.zone("Europe/Vienna", "de") == "Ortszeit Wien"
    # Arabic counts 3 to 10, 11 to 99 and whole hundreds each in their own form.
    look = looks.of(masthead.current())
    said = {number: look.counters(number, 0, "ar") for number in (1, 3, 11, 100, 3952)}
    assert said == {1: "1 إعجاب", 3: "3 إعجابات", 11: "11 إعجابًا", 100: "100 إعجاب", 3952: "3,952 إعجابًا"}
    assert look.counters(3952, 1, "de") == "3.952 Hypes · 1 Kommentar"
    assert look.counters(0, None) == ""
    check = ("Please check one thing", "Please check %(num)d things")
    assert speech.say_many(*check, 11, "ar", num=11).endswith("11 أمرًا")


def test_the_command_brings_a_catalogue_up_to_date_and_keeps_what_was_translated(app, tmp_path, monkeypatch):
    monkeypatch.setattr(speech, "CATALOGUES", tmp_path)
    runner = app.test_cli_runner()
    made = json.loads(runner.invoke(args=["newsletter", "language", "add", "fr", "--json"]).output)
    assert made["untranslated"] == made["sentences"] > 200
    path = tmp_path / "fr.po"
    path.write_text(path.read_text().replace('msgid "Archive"\nmsgstr ""', 'msgid "Archive"\nmsgstr "Archives"'))
    again = json.loads(runner.invoke(args=["newsletter", "language", "add", "fr", "--json"]).output)
    assert again["untranslated"] == made["untranslated"] - 1
    assert speech.say("Archive", "fr-CA") == "Archives"
    assert runner.invoke(args=["newsletter", "language", "add", "xx_nope"]).exit_code != 0


def _composed(message):
    """The mail's parts as text."""
    row = composers.Row(
        message.id, signup.MAIL, 0, None, message.recipient_id, message.address, message.message_id, clock.now()
    )
    mail = email.message_from_bytes(letters.compose(row).content, policy=email.policy.default)
    return mail["Subject"] + "".join(part.get_content() for part in mail.iter_parts())
