"""Numbers, dates, spans and lines of text."""

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.mail import links, plaintext, prose, words


@pytest.mark.parametrize(
    ("number", "language", "shown"),
    [
        (3952, "en", "3,952 Hypes"),
        (1, "en", "1 Hype"),
        (0, "en", ""),
        (None, "en", ""),
        (-4, "en", ""),
        (1234567, "de", "1.234.567 Hypes"),
        (1234, "xx", "1,234 Hypes"),
    ],
)
def test_counters_are_grouped_and_their_plural_is_right(number, language, shown):
    assert words.counted(number, "Hype", "Hypes", language) == shown


@pytest.mark.parametrize(
    ("zone", "language", "shown"),
    [
        ("Europe/Berlin", "en", "Thursday 26 November 2026"),
        ("America/New_York", "en", "Wednesday 25 November 2026"),
        ("Europe/Berlin", "de", "Donnerstag, 26. November 2026"),
        ("Europe/Berlin", "pt-BR", "quinta-feira, 26 de novembro de 2026"),
    ],
)
def test_a_date_is_the_day_it_is_in_the_newsletters_zone(zone, language, shown):
    assert words.long_date(datetime(2026, 11, 26, 0, 30, tzinfo=UTC), zone, language) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(days=7), "7 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=5), "1 minute"),
    ],
)
def test_a_span_is_told_in_its_largest_whole_unit(span, shown):
    assert words.span(span) == shown


def test_lines_are_at_most_76_wide_and_a_url_is_never_broken():
    url = "https://magazine.example/" + "x" * 100
    wrapped = plaintext.wrap(f"{'word ' * 40}{url} {'y' * 200}\r\n\r\nnext", indent="  ").split("\n")
    assert [line for line in wrapped if len(line) > 76] == [f"  {url}"]
    assert all(line.startswith("  ") or not line for line in wrapped)
    assert wrapped[-2:] == ["", "  next"]


def test_an_editors_markdown_is_safe_html_and_plain_text():
    markdown = (
        "Hello *you*, see [this](https://x.example/a?b=1&c=2).\n\n- one\n- two\n\n1. three\n\n"
        "<b>x</b> ![p](https://x.example/p.png) [y](/relative)\n\n# no"
    )
    html = prose.to_html(markdown)
    assert '<a href="https://x.example/a?b=1&amp;c=2">this</a>' in html
    assert "<b>" not in html
    assert "<img" not in html
    assert "<h1" not in html
    assert "[y](/relative)" in html
    assert prose.to_text(markdown).startswith(
        "Hello you, see this (https://x.example/a?b=1&c=2).\n\n- one\n- two\n\n1. three\n\n<b>x</b>"
    )


def test_links_are_absolute_and_what_stands_in_them_is_quoted():
    assert links.web_issue("daily", 214, "tech") == "https://news.magazine.example/archive/daily/214#tech"
    assert links.confirm("a.b-c_d") == "https://news.magazine.example/confirm/a.b-c_d"
    assert links.unsubscribe_mailto("a+b@x.example", "t.k") == "mailto:a%2Bb@x.example?subject=unsubscribe%20t.k"


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("https://Bücher.example/ä b?q=%20", "https://xn--bcher-kva.example/%C3%A4%20b?q=%20"),
        ("HTTP://X.example:8000", "http://x.example:8000"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
        ("https://a%62.example/", ""),
        ("ftp://x.example/", ""),
    ],
)
def test_addresses_from_outside_become_plain_web_addresses_or_nothing(given, safe):
    assert links.safe(given) == safe
