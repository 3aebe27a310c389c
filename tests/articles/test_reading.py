"""Reading feeds: what editors get from the documents of many makers, whole or broken."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import errors, settings
from newsletter.articles import links, pages, reading, wording

ATOM = """<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Atomic</title>
<entry><title type="html">Salt &amp;amp; light</title><link rel="alternate" href="/salt"/><id>tag:x,2026:1</id>
<published>2026-11-20T08:00:00+01:00</published><author><name>Ada Quill</name></author>
<category term="design" label="Design"/><summary>A lamp, made of salt.</summary>
<content type="html">&lt;p&gt;Long.&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</content></entry></feed>"""

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:slash="http://purl.org/rss/1.0/modules/slash/"
xmlns:media="http://search.yahoo.com/mrss/" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Wire</title>
<item><title>One &lt;b&gt;bold&lt;/b&gt; shoe</title><link>https://m.example/1</link><guid isPermaLink="false">g1</guid>
<pubDate>Fri, 20 Nov 2026 08:00:00 GMT</pubDate><category>Footwear</category>
<category><![CDATA[Tech & Gadgets]]></category>
<description>A shoe for rain. The post One bold shoe appeared first on Wire.</description>
<slash:comments>12</slash:comments>
<media:content url="https://m.example/s.jpg" width="300" medium="image"/>
<media:content url="https://m.example/l.jpg" width="1200" medium="image"/></item>
<item><title>No link</title></item><item><link>https://m.example/3</link></item>
<item><title>From the body</title><link>https://m.example/4</link><description></description><content:encoded>
<![CDATA[<p>The first sentence stands. The second does not.</p>
<img src="/px.gif" width="1" height="1">
<img src="/p.jpg" alt="A pier">]]>
</content:encoded></item></channel></rss>"""

RDF = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://m.example/"><title>Old</title></channel>
<item rdf:about="https://m.example/o"><title>Old style</title><link>https://m.example/o</link>
<dc:date>2026-11-20T07:00:00Z</dc:date><dc:creator>Bo</dc:creator><dc:subject>Music</dc:subject></item></rdf:RDF>"""

JSON = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Jay",
        "items": [
            {
                "id": "j1",
                "url": "https://m.example/j",
                "title": "A game of patience",
                "summary": "It takes an hour. [...]",
                "content_html": "<p>Body</p>",
                "date_published": "2026-11-20T08:00:00+01:00",
                "tags": ["Gaming"],
                "image": "https://m.example/j.png",
                "authors": [{"name": "Kit"}, {"name": "Lou"}],
                "_magazine": {"hypes": 3952, "comments": 5},
            },
            "not an item",
        ],
    }
)


@pytest.fixture(autouse=True)
def _settings(tmp_path):
    settings.use(settings.load({"NEWSLETTER_INSTANCE": str(tmp_path)}))


def test_atom_rss_rdf_and_json_give_the_same_kind_of_draft():
    atom = reading.read(ATOM.encode(), url="https://m.example/feed").drafts[0]
    assert (atom.headline, atom.url, atom.guid) == ("Salt & light", "https://m.example/salt", "tag:x,2026:1")
    assert (atom.dek, atom.author, atom.categories) == ("A lamp, made of salt.", "Ada Quill", ("Design",))
    assert atom.published_at == datetime(2026, 11, 20, 7, tzinfo=UTC)

    document = reading.read(RSS.encode(), url="https://m.example/feed")
    rss, body = document.drafts
    assert (wording.plain(rss.headline), rss.dek, rss.comments) == ("One bold shoe", "A shoe for rain.", 12)
    assert (rss.picture_url, rss.categories) == ("https://m.example/l.jpg", ("Footwear", "Tech & Gadgets"))
    assert (body.dek, body.picture_url, body.picture_alt) == (
        "The first sentence stands.",
        "https://m.example/p.jpg",
        "A pier",
    )
    assert document.problems == [
        "Item 2 “No link” has no link and was left out.",
        "Item 3 has neither headline nor text and was left out.",
        "1 of 2 items have no date that could be read.",
    ]

    rdf = reading.read(RDF.encode()).drafts[0]
    assert (rdf.headline, rdf.author, rdf.categories) == ("Old style", "Bo", ("Music",))
    assert rdf.published_at == datetime(2026, 11, 20, 7, tzinfo=UTC)

    jay = reading.read(JSON.encode(), content_type="application/feed+json").drafts[0]
    assert (jay.dek, jay.hypes, jay.comments, jay.author) == ("It takes an hour.", 3952, 5, "Kit, Lou")
    assert jay.picture_url == "https://m.example/j.png"


def test_a_broken_feed_says_where_and_keeps_what_could_be_read():
    document = reading.read(RSS.encode()[:-200])
    assert wording.plain(document.drafts[0].headline) == "One bold shoe"
    assert "not well-formed" in document.problems[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html><body>Hello</body></html>", "not a feed"),
        (b"", "not a feed"),
        (b"{}", "no list of items"),
        (b'{"items": [' + b"[" * 100_000, "broken"),
        (b'{"items": [\n{"id": 1}', "broken at line 2"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel/></rss>', "entities"),
    ],
)
def test_what_is_no_feed_is_refused_with_a_sentence(content, sentence):
    with pytest.raises(errors.BadInput, match=sentence):
        reading.read(content)


@pytest.mark.parametrize(
    ("summary", "body", "dek"),
    [
        ("A short one.", "Body.", "A short one."),
        ("Half a thought [&hellip;]", "", "Half a thought…"),
        ("Something. Read more", "", "Something."),
        (
            "<p>The post <a href='x'>T</a> appeared first on <a href='y'>S</a>.</p>",
            "The real opening sentence. Second.",
            "The real opening sentence.",
        ),
        (
            "",
            "<p>Price: 15.50</p><p>A book about benches, and who sits on them. More.</p>",
            "A book about benches, and who sits on them.",
        ),
        ("", "<h4>Using wild things in the kitchen</h4><p>Hey, you.</p>", "Using wild things in the kitchen"),
        ("", "Again! It is that time of the year. And so on.", "Again! It is that time of the year."),
        ("", "", ""),
        ("word " * 80, "", ("word " * 31).strip() + "…"),
    ],
)
def test_the_dek_is_the_summary_or_the_first_sentence_and_empty_rather_than_wrong(summary, body, dek):
    assert wording.dek(summary, body) == dek


@given(st.text() | st.text(alphabet="<>&;a/ \n\0\u2028scriptmg='\"=on"))
def test_no_markup_and_no_control_character_ever_comes_out_of_the_cleaner(markup):
    words = wording.plain(markup)
    assert "\n" not in words
    assert "\0" not in words
    assert "\u2028" not in words
    assert words == " ".join(words.split())
    assert "<script" not in wording.body(markup).lower()
    assert len(wording.dek(markup)) <= 160


@given(st.text(alphabet="abcABC019/%?&=.-_~+é #"))
def test_the_form_addresses_are_compared_by_is_a_fixed_point(tail):
    url = "https://M.example/" + tail.replace(" ", "").replace("#", "")
    assert links.key(links.key(url)) == links.key(url)


@pytest.mark.parametrize(
    "other",
    [
        "https://m.example/a?b=2&a=1",
        "http://M.EXAMPLE:80/a/?a=1&b=2",
        "https://m.example/a?a=1&b=2#comments",
        "https://m.example/a?utm_source=mail&a=1&b=2&fbclid=xyz",
    ],
)
def test_tracking_order_case_and_fragment_do_not_make_another_article(other):
    assert links.key(other) == links.key("https://m.example/a?a=1&b=2")


def test_a_page_tells_its_article_by_json_ld_or_open_graph():
    graph = {
        "@graph": [
            {"@type": "WebSite", "name": "M"},
            {
                "@type": ["NewsArticle"],
                "headline": "A coat & a half",
                "description": "Warm.",
                "author": [{"name": "Ada"}],
                "datePublished": "2026-11-20T08:00:00Z",
                "articleSection": "Fashion",
                "image": {"url": "/c.jpg"},
                "commentCount": 3,
            },
        ]
    }
    page = (
        f'<html lang="en-GB"><head><title>T</title><link rel="canonical" href="/coat">'
        f'<script type="application/ld+json">{{broken</script>'
        f'<script type="application/ld+json">{json.dumps(graph)}</script></head></html>'
    )
    draft = pages.parse(page.encode(), url="https://m.example/coat?utm_source=x")
    assert (draft.headline, draft.dek, draft.author, draft.url) == (
        *("A coat & a half", "Warm.", "Ada"),
        "https://m.example/coat",
    )
    assert (draft.categories, draft.comments, draft.picture_url) == (("Fashion",), 3, "https://m.example/c.jpg")
    graphed = b'<meta property="og:title" content="By graph"><meta property="og:description" content="D.">'
    assert pages.parse(graphed, url="https://m.example/x").headline == "By graph"
    with pytest.raises(errors.BadInput, match="headline"):
        pages.parse(b"<p>nothing</p>", url="https://m.example/x")
