"""The digest as its readers see it: what is shown, what is hidden, what can do no harm."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter import settings
from newsletter.mail import digest, links, looks, mime, plaintext, slots, templates
from newsletter.publication import look, masthead
from newsletter.publication.models import Masthead
from tests.mail.conftest import outgoing, story, view
from tests.mail.test_wire import names, parsed

VOID = {"br", "hr", "img", "meta", "link", "input"}


class Outline(HTMLParser):
    """Tags, links and the text of a document, and whether its tags close in order."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(document)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text += text

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def links(self) -> list[str | None]:
        return [attributes.get("href") for attributes in self.every("a")]


def test_every_mail_says_why_and_how_to_leave_in_html_and_in_text():
    mail = digest.render(view()).for_reader(token="TOKEN", address="o'neil&co@readers.example")
    outline = Outline(mail.html)
    for link in (
        "https://news.magazine.example/unsubscribe/TOKEN",
        "https://news.magazine.example/preferences/TOKEN",
        "https://news.magazine.example/archive/daily/214",
    ):
        assert link in outline.links()
        assert f"\n{link}\n" in mail.text
    for words in ("because o'neil&co@readers.example is subscribed to The Daily.", "1 Example Street, Exampletown"):
        assert words in outline.text
        assert words in " ".join(mail.text.split())
    assert "o&#x27;neil&amp;co@" in mail.html
    assert "SLOT" not in mail.html + mail.text


def test_stories_are_told_in_order_in_html_text_and_on_the_web():
    mail = digest.render(view())
    heads = ["A shoe is taken apart", "part 1", "part 2", "part 3", "More in Music (7)", "What to read next", "part 4"]
    for told in (Outline(mail.html).text.split("The Daily", 1)[1], Outline(digest.render_web(view())).text):
        places = [told.index(head) for head in heads]
        assert places == sorted(places)
        assert told.count("3,952 Hypes · 1 Comment") == 5
    lines = mail.text.split("\n")
    assert lines.index("FASHION") < lines.index("Four strings, no song: part 1") < lines.index("MUSIC")
    assert lines.count("  3,952 Hypes · 1 Comment") == 5
    assert "  https://magazine.example/3?a=1&b=2" in lines
    assert "WHAT TO READ NEXT" in lines
    assert "Art: Four strings, no song: part 4" in lines


@pytest.mark.parametrize(("hypes", "comments", "shown"), [(None, 0, ""), (1, None, "1 Hype"), (0, 2, "2 Comments")])
def test_counters_unknown_or_zero_are_hidden(hypes, comments, shown):
    only = view(lead=story(hypes=hypes, comments=comments), sections=(), read_next=())
    mail = digest.render(only)
    for told in (Outline(mail.html).text, mail.text, Outline(digest.render_web(only)).text):
        assert re.findall(r"[\d,]+ (?:Hype|Comment)s?", told) == ([shown] if shown else [])


def test_a_bare_story_and_an_empty_section_leave_no_hollow_places():
    bare = digest.Story("", "Only a headline", "", "https://magazine.example/x")
    mail = digest.render(view(lead=bare, sections=(digest.Section("Hollow", ()),), read_next=(), preheader=""))
    assert "Hollow" not in mail.html + mail.text
    assert "What to read next" not in mail.html
    assert Outline(mail.html).every("img") == []
    assert "\n\n\n" not in mail.text
    assert digest.render(view(lead=None)).text.count("Four strings") == 4


def test_the_outline_is_one_h1_and_no_level_is_skipped():
    for document in (digest.render(view()).html, digest.render_web(view())):
        levels = [int(tag[1]) for tag, _ in Outline(document).tags if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_markup_is_what_mail_programs_understand():
    document = digest.render(
        view(intro="One *word* and [a link](https://magazine.example/ask).\n\n- first\n- second")
    ).html
    outline = Outline(document)
    assert all(each["role"] == "presentation" for each in outline.every("table"))
    assert all({"alt", "width", "height"} <= set(each) for each in outline.every("img"))
    assert [(each["width"], each["height"]) for each in outline.every("img")] == [("600", "400")] + [("120", "80")] * 4
    assert {each.get("lang") for each in outline.every("html") + outline.every("div")[:1]} == {"en"}
    assert {each.get("dir") for each in outline.every("html") + outline.every("div")[:1]} == {"ltr"}
    assert not {tag for tag, _ in outline.tags} & {
        "script",
        "form",
        "iframe",
        "link",
        "object",
        "svg",
        "video",
        "input",
    }
    assert all(str(link).startswith("https://") for link in outline.links())
    assert "<!--[if mso]><table" in document
    assert "prefers-color-scheme: dark" in document.replace("scheme:dark", "scheme: dark")
    assert '<meta name="color-scheme" content="light dark">' in document
    # Everything but the two media queries stands on the elements; what is left is for other mails.
    sheet = "".join(re.findall(r"<style>(.*?)</style>", re.sub(r"<!--.*?-->", "", document, flags=re.S), re.S))
    left = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet)
    assert set(re.findall(r"(\S.*?) \{", left)) <= {
        ".name img",
        ".block-label",
        ".tagline",
        ".letter-title",
        ".prose ol",
    }
    assert "var(" not in document


def test_a_right_to_left_language_turns_the_page():
    outline = Outline(digest.render(view(language="ar")).html)
    assert outline.every("html")[0] | {"style": ""} == {"lang": "ar", "dir": "rtl", "style": ""}


@pytest.mark.parametrize("accent", ["#ffd400", "#ffffff", "#000000"])
def test_the_accent_is_readable_on_the_paper_and_under_the_button(accent):
    document = digest.render(view(masthead=digest.Look("M", accent=accent))).html
    light, dark = look.accents(accent)
    assert light in document
    assert dark in document
    assert f"color: {look.on(light)}" in document


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{1337*7331}}{% raw %}${1337*7331}",
    "]]><!--<![endif]-->",
    "</title></style><script>alert(1)</script>",
    "&lt;script&gt; & &amp;",
    "</td></tr></table><h1>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_words_from_outside_are_words(text):
    hostile = story(topic=text, headline=text, dek=text, picture=digest.Image("https://x.example/p.jpg", 1, 1, text))
    edition = view(
        masthead=digest.Look(text, tagline=text, labels={"more": text, "read_next": text, "hypes_many": text}),
        newsletter_title=text,
        subject=text,
        preheader=text,
        intro=text,
        lead=hostile,
        sections=(digest.Section(text, (hostile,), 3, "https://x.example/", text),),
        read_next=(hostile,),
        postal_address=text,
    )
    plain, mail, page = digest.render(view()), digest.render(edition), digest.render_web(edition)
    for document in (mail.html, page):
        outline = Outline(document)
        assert not {tag for tag, _ in outline.tags} & {"script", "svg"}
        assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]
        assert "9801547" not in outline.text  # a product that no date and no number of ours can be
        assert outline.text.count(text) >= 6
        assert "<script" not in document
    assert mail.html.count("<!--[if mso]>") == plain.html.count("<!--[if mso]>")
    assert text in mail.text
    assert mail.subject == text


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/x",
        "http:",
        "https://[x",
        "https://magazine.example@evil.example/",
        "https://x.example:port/",
        "",
    ],
)
def test_an_address_that_is_no_web_address_is_not_linked(url):
    odd = story(url=url, picture=digest.Image(url, 1, 1))
    edition = view(lead=odd, sections=(digest.Section("Music", (odd,), 2, url),), intro=f"[x]({url or '#'})")
    for document in (digest.render(edition).html, digest.render_web(edition)):
        assert all(
            str(link).startswith("https://news.magazine.example/") or "magazine.example/4" in str(link)
            for link in Outline(document).links()
        )


def test_a_web_address_is_printed_in_ascii_and_whole():
    odd = story(url='https://magazine.example/größe/"quoted" <b>?q=ä&x=%20#ü')
    expected = "https://magazine.example/gr%C3%B6%C3%9Fe/%22quoted%22%20%3Cb%3E?q=%C3%A4&x=%20#%C3%BC"
    mail = digest.render(view(lead=odd))
    assert expected in Outline(mail.html).links()
    assert f"  {expected}\n" in mail.text


def test_a_story_cannot_carry_its_readers_token_away():
    thief = story(
        url=f"https://evil.example/{slots.TOKEN}",
        dek=f"{slots.TOKEN[:9]}\x00{slots.TOKEN[9:]}",
        headline=f"{slots.TOKEN[:4]}{slots.ADDRESS}{slots.TOKEN[4:]}",
        picture=digest.Image(f"https://evil.example/{slots.ADDRESS}.png", 1, 1, slots.TOKEN),
    )
    edition = view(
        lead=thief, subject=slots.TOKEN, intro=f"*{slots.TOKEN}*", sections=(digest.Section(slots.TOKEN, [thief]),)
    )
    mail = digest.render(edition).for_reader(token="SECRET", address="r@readers.example")
    assert mail.html.count("SECRET") == 2
    assert mail.text.count("SECRET") == 2
    assert "SECRET" not in mail.subject + digest.render_web(edition)


WORDS = st.text(st.characters(codec="utf-8"), max_size=60)


@hypothesis_settings(max_examples=60, deadline=None)
@given(headline=WORDS, dek=WORDS, name=WORDS, subject=WORDS)
def test_any_unicode_reads_back_from_the_finished_mail(headline, dek, name, subject):
    edition = view(
        masthead=digest.Look(name), subject=subject, lead=story(headline=headline, dek=dek), sections=(), read_next=()
    )
    mail = digest.render(edition)
    built = mime.build(
        outgoing(subject=mail.subject, html=mail.html, text=mail.text, sender=f"{name} <news@magazine.example>")
    )
    assert names(built) == names(mime.build(outgoing()))
    text, document = (
        part.get_payload(decode=True).decode().replace("\r\n", "\n") for part in parsed(built).iter_parts()
    )
    assert (text, document) == (mail.text, mail.html)
    shown = squeezed(Outline(document).text)
    for words in (headline, dek, name):
        assert squeezed(plaintext.clean(words)) in shown
        assert squeezed(plaintext.clean(words)) in squeezed(text)
    assert all(len(line) <= 76 or "://" in line for line in text.split("\n"))


def squeezed(text: str) -> str:
    """Text without whitespace and case: wrapping moves the one, the name at the head of the text has the other."""
    return "".join(text.split()).casefold()


def full(dek: str) -> digest.Digest:
    stories = [story(number, headline=f"Headline {number} " + "of many words " * 12, dek=dek) for number in range(24)]
    return view(sections=[digest.Section(f"Topic {each}", stories[each * 6 : each * 6 + 6]) for each in range(4)])


def test_twenty_five_stories_with_long_deks_stay_below_what_gmail_clips():
    mail = digest.render(full("A dek of one hundred and sixty characters. " * 4))
    assert digest.size(mail) < settings.current().mail_html_bytes
    assert mail.html.count("one hundred and sixty") == 24 * 4


def test_a_digest_that_grows_too_large_gives_up_deks_from_the_end_and_never_the_footer():
    mail = digest.render(full("A dek that goes on and on & on. " * 120))
    assert digest.size(mail) < settings.current().mail_html_bytes
    assert "on and on" in mail.html.split("Topic 1")[0]
    assert "on and on" not in mail.html.split("Topic 3")[1]
    assert mail.html.count("Headline") == 24
    assert f"/unsubscribe/{slots.TOKEN}" in mail.html
    huge = digest.render(full("")).html
    assert len(huge.encode()) < settings.current().mail_html_bytes


def test_rendering_again_is_the_same_to_the_byte():
    assert digest.render(view()) == digest.render(view())


def test_nothing_half_filled_is_sent():
    with pytest.raises(Exception, match="digest"):
        templates.render("digest", {"look": digest.Look("M"), "language": "en"})


def test_the_look_is_taken_from_the_masthead():
    stored = Masthead(name="Offcut", tagline="t", accent="#2244cc", fonts="sans", labels={"more": "Further"})
    stored.logo_hash = "a" * 64
    taken, logo = looks.of(stored), links.page("/media/" + "a" * 64)
    assert taken == digest.Look("Offcut", "t", "#2244cc", "sans", {"more": "Further"}, logo)
    assert (taken.label("more"), taken.label("read_next")) == ("Further", masthead.LABELS["read_next"])
    images = Outline(digest.render(view(masthead=taken)).html).every("img")
    assert (images[0]["alt"], images[0]["src"]) == ("Offcut", logo)


def test_web_sections_are_anchors_and_the_page_holds_nothing_personal():
    page = digest.render_web(dataclasses.replace(view(), why="secret reason"))
    assert 'id="music"' in page
    assert "style=" not in page
    assert not re.search("SLOT|secret reason|unsubscribe|preferences", page)
    assert "A shoe is taken apart" in page
