"""The small mails: what they say, where they lead, and that nothing personal of others stands in them."""

from datetime import timedelta

import pytest

from newsletter.mail import letters, mime
from newsletter.mail.looks import Look
from tests.mail.conftest import outgoing
from tests.mail.test_digest import Outline

LOOK = Look("The Magazine", "All of it")
URL = "https://news.magazine.example/confirm/" + "t" * 90
WISHES = [letters.Wish("The Daily", ["Music", "Tech & Gadgets"]), letters.Wish("The Weekly", ["Art"])]
WEEK = timedelta(days=7)

LETTERS = {
    "confirm": lambda: letters.confirm(LOOK, WISHES, url=URL, lifetime=WEEK),
    "add": lambda: letters.add(LOOK, WISHES[1:], url=URL, lifetime=timedelta(hours=36)),
    "preferences_link": lambda: letters.preferences_link(LOOK, url=URL),
    "notice": lambda: letters.notice(LOOK, subject="No. 214 is held", text="No stories.\n\nAdd one & go on.", url=URL),
    "setup": lambda: letters.setup(LOOK, url=URL, role="publisher", lifetime=timedelta(hours=1)),
}


@pytest.mark.parametrize("name", LETTERS)
def test_each_letter_has_one_thing_to_do_and_says_who_writes(name):
    mail = LETTERS[name]()
    outline = Outline(mail.html)
    # The button, the same address in words for those it does not work for, and the masthead.
    assert set(outline.links()) == {URL, "https://news.magazine.example/"}
    assert f"\n{URL}\n" in mail.text
    for told in (outline.text, mail.text):
        assert "The Magazine, 1 Example Street, Exampletown" in told
    assert all(len(line) <= 76 or "://" in line for line in mail.text.split("\n"))
    assert len([tag for tag, _ in outline.tags if tag == "h1"]) == 1
    assert "\n" not in mail.subject
    mime.build(outgoing(subject=mail.subject, html=mail.html, text=mail.text))


@pytest.mark.parametrize(
    ("name", "subject", "sentences"),
    [
        (
            "confirm",
            "Confirm your subscription to The Magazine",
            ["The Daily: Music and Tech & Gadgets", "The Weekly: Art", "works for 7 days", "If it was not you"],
        ),
        ("add", "Add Art to The Weekly?", ["You already read The Magazine", "The Weekly: Art", "works for 36 hours"]),
        ("preferences_link", "Your newsletters from The Magazine", ["Nothing has changed"]),
        ("notice", "No. 214 is held", ["No stories.", "Add one & go on."]),
        ("setup", "Your account at The Magazine", ["publisher", "for 1 hour"]),
    ],
)
def test_each_letter_says_what_it_is_for(name, subject, sentences):
    mail = LETTERS[name]()
    assert mail.subject == subject
    for told in (Outline(mail.html).text, mail.text):
        for sentence in sentences:
            assert sentence in " ".join(told.split())


def test_several_newsletters_asked_for_are_named_by_their_titles():
    assert letters.add(LOOK, WISHES, url=URL, lifetime=WEEK).subject == "Add The Daily and The Weekly?"


def test_a_hostile_title_stays_words_in_every_letter():
    hostile = "<script>alert(1)</script>{{7*7}}"
    wishes = [letters.Wish(hostile, [hostile])]
    for mail in (
        letters.confirm(Look(hostile), wishes, url=URL, lifetime=WEEK),
        letters.add(Look(hostile), wishes, url=URL, lifetime=WEEK),
        letters.notice(Look(hostile), subject=hostile, text=hostile),
    ):
        assert not Outline(mail.html).every("script")
        assert hostile in mail.text
        assert hostile in Outline(mail.html).text
