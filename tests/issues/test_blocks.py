"""Notes, house ads and the sponsor: the same for every reader, frozen with the rest, and nothing of the ledger."""

import io

import pytest
from PIL import Image

from newsletter import db, errors
from newsletter.articles import pictures
from newsletter.articles.correcting import Words
from newsletter.issues import (
    amendments,
    archive,
    blocks,
    composing,
    corrections,
    editing,
    freezing,
    lifecycle,
    planning,
    preflight,
    previews,
)
from newsletter.issues.blocks import Draft
from newsletter.issues.editing import Hand
from newsletter.issues.models import BlockKind, BlockPlace, EditionArticle, Preflight
from newsletter.mail import digest
from tests.conftest import both_engines
from tests.issues.world import article, magazine, newsletter, reader

pytestmark = both_engines

ED = Hand("ed@magazine.example")
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](data:text/html,x) "
    "![c](https://evil.example/pixel.gif) [d](https://good.example/?a=1&b=2) SLOTqTOKENq7f3a9cSLOT # Not a heading"
)


@pytest.fixture
def issue(room, time):
    magazine()
    for topic, name in (("music", "Lead"), ("music", "Second"), ("art", "Third")):
        article(topic, headline=name, hypes={"Lead": 9}.get(name, 1))
    return composing.compose(newsletter())


def _picture():
    content = io.BytesIO()
    Image.new("RGB", (600, 300), "teal").save(content, "PNG")
    return pictures.encode(content.getvalue())


def _all_three(issue):
    blocks.add(issue, Draft(BlockKind.NOTE, BlockPlace.TOP, markdown="Dear *readers*"), ED)
    paid = Draft(
        BlockKind.SPONSOR,
        BlockPlace.TOP,
        label="Presented by Lumen",
        markdown="A lamp.",
        url="https://lumen.example/?a=1&b=2",
        link_text="See the lamp",
        alt="A lamp on a desk",
    )
    blocks.add(issue, paid, ED, picture=_picture())
    blocks.add(
        issue, Draft(BlockKind.AD, BlockPlace.END, markdown="Our shop", url="https://shop.magazine.example/x"), ED
    )


def _in_order(text, *words):
    places = [text.index(word) for word in words]
    assert places == sorted(places), dict(zip(words, places, strict=True))


def test_they_stand_in_their_places_in_every_part_of_the_mail_and_on_the_web(issue):
    _all_three(issue)
    mail = previews.render(issue)
    web = digest.render_web(archive.published(issue).view)
    for shown in (mail.html, mail.text, web):
        body = shown[shown.index("The Daily", len(shown) // 4 if "<title" in shown else 0) :]
        _in_order(body.lower(), "dear", "lead", "presented by lumen", "a lamp.", "see the lamp", "second", "our shop")
    assert "<em>readers</em>" in mail.html
    assert 'alt="A lamp on a desk"' in mail.html
    assert 'width="536"' in mail.html
    assert ("PRESENTED BY LUMEN" in mail.text, "https://lumen.example/?a=1&b=2" in mail.text) == (True, True)
    assert web.count('rel="sponsored"') == 2
    assert "shop.magazine.example" in mail.text


@pytest.mark.parametrize("field", ["markdown", "label", "link_text"])
def test_hostile_words_are_inert_in_every_part(issue, field):
    given = {"markdown": "Text", field: HOSTILE if field == "markdown" else HOSTILE[:80]}
    blocks.add(issue, Draft(BlockKind.AD, url="https://shop.example/", **given), ED)
    mail = previews.render(issue)
    for shown in (mail.html, digest.render_web(archive.published(issue).view)):
        for harm in (
            "<script>alert",
            "<img src=x",
            'href="javascript:',
            'href="data:',
            'src="https://evil.example',
            "<h1># ",
        ):
            assert harm not in shown
    assert "SLOTqTOKEN" not in mail.html + mail.text


@pytest.mark.parametrize(
    ("changes", "has_picture", "field"),
    [
        ({"kind": BlockKind.SPONSOR, "label": " "}, False, "label"),
        ({"markdown": " "}, False, "markdown"),
        ({"url": "javascript:alert(1)"}, False, "url"),
        ({"url": "magazine.example"}, False, "url"),
        ({"alt": ""}, True, "alt"),
        ({"label": "x" * 81}, False, "label"),
    ],
)
def test_what_readers_must_not_get_is_refused_with_its_field(issue, changes, has_picture, field):
    values = {"kind": BlockKind.NOTE, "markdown": "Text", "label": "L", "alt": "A"} | changes
    with pytest.raises(errors.BadInput) as refused:
        blocks.add(issue, Draft(**values), ED, picture=_picture() if has_picture else None)
    assert refused.value.field == field
    assert issue.blocks == []


def test_an_issue_has_one_sponsor_and_it_stands_after_the_lead(issue):
    paid = Draft(BlockKind.SPONSOR, BlockPlace.END, label="Presented by Lumen", markdown="A lamp.")
    first = blocks.add(issue, paid, ED)
    assert first.place is BlockPlace.AFTER_LEAD
    with pytest.raises(errors.BadInput):
        blocks.add(issue, paid, ED)
    blocks.remove(issue, first.id, ED)
    second = blocks.add(issue, paid, ED)
    assert [block.id for block in issue.blocks] == [second.id]
    editing.undo(issue, ED)
    editing.undo(issue, ED)
    assert [block.id for block in issue.blocks] == [first.id]


def test_they_are_frozen_with_the_issue_and_no_line_of_the_ledger(issue):
    for topic in ("music", "art"):
        reader(topic, of=issue.newsletter)
    _all_three(issue)
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    assert [block.kind for block in freezing.content(issue).blocks] == ["note", "sponsor", "ad"]
    planning.release(issue.id)
    assert {row.article_id for row in db.session.query(EditionArticle)} == {each.article_id for each in issue.stories}
    with pytest.raises(errors.Conflict):
        blocks.remove(issue, issue.blocks[0].id, ED)


def test_preflight_reads_their_words_and_links_and_says_where_they_are_mended(issue):
    block = blocks.add(
        issue, Draft(BlockKind.AD, markdown="TK: [the shop]()", url="https://shop.magazine.example/x"), ED
    )
    db.session.commit()
    place = f"block-{block.id}"
    (typed,) = preflight.of(issue).blocks
    assert [each.anchor for each in typed.places] == [place]
    preflight.look_through(issue.id)
    found = {(each.rule, each.places[0].anchor) for each in preflight.of(issue).blocks}
    assert {("placeholder", place), ("empty_link", place)} <= found
    kept = db.session.get_one(Preflight, issue.id)
    assert [each["places"][0]["anchor"] for each in kept.links if "shop" in each["url"]] == [place]


def test_a_correction_keeps_them(issue):
    _all_three(issue)
    lifecycle.approve(issue, actor="ed")
    before = freezing.content(issue)
    corrections.correct(issue.stories[1].article_id, Words(headline="The second"), reason="A slip.", hand=ED)
    amended = amendments.of(before).content
    assert (amended.blocks, "The second" in [story.headline for story in amended.stories]) == (before.blocks, True)


def test_what_was_frozen_before_there_were_blocks_still_thaws(issue):
    freezing.freeze(issue)
    issue.frozen = {name: value for name, value in issue.frozen.items() if name != "blocks"}
    assert freezing.content(issue).blocks == ()


def test_a_block_is_changed_only_as_it_was_seen_and_its_picture_stays_until_it_is_taken_off(issue):
    block = blocks.add(issue, Draft(BlockKind.AD, markdown="Shop", alt="A shop"), ED, picture=_picture())
    seen = blocks.mark_of(block)
    blocks.change(issue, block.id, Draft(BlockKind.AD, markdown="Our shop", alt="A shop"), ED, mark=seen)
    assert block.picture is not None
    with pytest.raises(errors.Conflict):
        blocks.change(issue, block.id, Draft(BlockKind.AD, markdown="Mine"), ED, mark=seen)
    blocks.change(issue, block.id, Draft(BlockKind.AD, markdown="Our shop"), ED, keeps_picture=False)
    assert freezing.content(issue).blocks[0].picture is None
