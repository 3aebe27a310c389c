"""What is looked for in a finished mail: for each rule a mail that has it, and the same mail that has not."""

import dataclasses
from datetime import UTC, datetime

import pytest

from newsletter.mail import inspection, links, mime
from newsletter.mail.inspection import Expected, Rule

TOKEN, POSTAL = "token", "1 Example Street, Exampletown"
EXPECTED = Expected(TOKEN, POSTAL, 102_000)


@pytest.fixture
def sound(app) -> mime.Outgoing:
    foot = f'<a href="{links.preferences(TOKEN)}">Preferences</a> <a href="{links.unsubscribe(TOKEN)}">Leave</a>'
    head = "<head><style>p::before { content: 'TK' }</style></head>"
    body = '<p><a href="https://magazine.example/1">A story</a><img src="https://m.example/1.jpg" alt="A lamp"></p>'
    return mime.Outgoing(
        sender="The Magazine <news@magazine.example>",
        recipient="ann@readers.example",
        subject="A lamp that folds flat",
        html=f"<html>{head}<body>{body}{foot}<p>{POSTAL}</p></body></html>",
        text=f"A story\n\nLeave: {links.unsubscribe(TOKEN)}\n\n{POSTAL}\n",
        message_id="<1@magazine.example>",
        dated_at=datetime(2026, 11, 26, tzinfo=UTC),
        list_id="daily.magazine.example",
        unsubscribe_url=links.unsubscribe(TOKEN),
    )


HURTS = [
    (Rule.PLACEHOLDER, lambda mail: {"subject": "TK: the lamp"}, "TK"),
    (Rule.PLACEHOLDER, lambda mail: {"subject": "The TKTK lamp"}, "TKTK"),
    (Rule.PLACEHOLDER, lambda mail: {"html": mail.html.replace("A story", "Lorem <b>ipsum</b> dolor")}, "Lorem ipsum"),
    (Rule.PLACEHOLDER, lambda mail: {"text": mail.text.replace("A story", "About XXX\npeople")}, "XXX"),
    (Rule.UNFILLED, lambda mail: {"html": mail.html.replace("A story", "Dear {{ name }}")}, "{{ name }}"),
    (Rule.UNFILLED, lambda mail: {"subject": "Hello *|FNAME|*"}, "*|FNAME|*"),
    (Rule.EMPTY_LINK, lambda mail: {"html": mail.html.replace("https://magazine.example/1", "")}, "A story"),
    (Rule.EMPTY_LINK, lambda mail: {"html": mail.html.replace("https://magazine.example/1", "#")}, "A story"),
    (Rule.EMPTY_LINK, lambda mail: {"html": mail.html.replace("A story", "")}, "https://magazine.example/1"),
    (Rule.SIZE, lambda mail: {"html": mail.html.replace("A story", "a " * 60_000)}, "120 KB"),
    (Rule.FOOTER, lambda mail: {"html": mail.html.replace(POSTAL, "")}, "postal address"),
    (Rule.FOOTER, lambda mail: {"text": mail.text.replace(POSTAL, "")}, "postal address"),
    (Rule.FOOTER, lambda mail: {"html": mail.html.replace("/unsubscribe/", "/leave/")}, "unsubscribe"),
    (Rule.FOOTER, lambda mail: {"html": mail.html.replace("/preferences/", "/choose/")}, "preferences"),
    (Rule.HEADERS, lambda mail: {"unsubscribe_url": ""}, "List-Unsubscribe is missing"),
    (Rule.HEADERS, lambda mail: {"unsubscribe_url": links.unsubscribe("another")}, "own link"),
    (Rule.HEADERS, lambda mail: {"list_id": None}, "List-Id is missing"),
    (Rule.HEADERS, lambda mail: {"subject": " "}, "subject is empty"),
    (Rule.ALT, lambda mail: {"html": mail.html.replace('alt="A lamp"', 'alt=""')}, "https://m.example/1.jpg"),
]


@pytest.mark.parametrize(("rule", "hurt", "said"), HURTS)
def test_a_mail_that_is_hurt_is_told_by_its_rule_and_a_sound_one_has_none(sound, rule, hurt, said):
    assert inspection.inspect(mime.build(sound), EXPECTED).flaws == []
    hurt_mail = dataclasses.replace(sound, **hurt(sound))
    flaws = inspection.inspect(mime.build(hurt_mail), EXPECTED).flaws
    assert {flaw.rule for flaw in flaws} == {rule}
    assert any(said in flaw.said for flaw in flaws), flaws


def test_a_header_that_stands_twice_is_told(sound):
    raw = b"Subject: Another\r\n" + mime.build(sound)
    assert [flaw.said for flaw in inspection.inspect(raw, EXPECTED).flaws] == ["Subject stands 2 times."]


@pytest.mark.parametrize(
    "text",
    [
        "TK Maxx opens in Leeds",
        "TK-421, why aren’t you",
        "Flight TK 1984",
        "XXXTentacion",
        "An XXXL coat",
        "tkts",
        "wtk",
    ],
)
def test_names_that_look_like_placeholders_pass(text):
    assert inspection.placeholders(text) == []
