"""What changed between two texts: both can be read off it whole, whatever they are."""

import random

from newsletter.publication import differences
from newsletter.publication.differences import Mark


def _side(lines, left_out):
    """One of the texts, put together again from the comparison."""
    kept = [line for line in lines if line.mark is not left_out]
    return "\n".join("".join(each.text for each in line.pieces if each.mark is not left_out) for line in kept)


def test_both_texts_stand_in_the_comparison_whole():
    chance = random.Random(5)
    words = ["we ", "keep ", "your ", "data", ".", "\n", "\n\n", " ", "ä", "never "]
    for _ in range(300):
        before, after = ("".join(chance.choices(words, k=chance.randrange(40))) for _ in range(2))
        lines = differences.between(before, after)
        assert (_side(lines, Mark.NEW), _side(lines, Mark.GONE)) == (before, after)
        assert (differences.folded(lines) == []) == (before == after)


def test_reworded_lines_are_told_word_by_word_and_others_whole():
    (line,) = differences.between("We keep mail for 30 days.", "We keep mail for 14 days.")
    assert [(each.mark.value, each.text) for each in line.pieces] == [
        ("same", "We keep mail for "),
        ("gone", "30"),
        ("new", "14"),
        ("same", " days."),
    ]
    marks = [each.mark.value for each in differences.between("We keep mail.", "Nobody reads backwards here")]
    assert marks == ["gone", "new"]
    far = differences.folded(differences.between("\n".join("abcdefghij"), "\n".join("abcdeFghij")))
    assert [(each.mark.value, each.count) for each in far if each.mark is Mark.SKIPPED] == [
        ("skipped", 3),
        ("skipped", 2),
    ]


def test_texts_too_long_to_compare_are_shown_whole():
    """Else a page would take minutes: comparing takes time by the square."""
    lines = [f"line {number}" for number in range(50_000)]
    found = differences.between("\n".join(["a", *lines]), "\n".join(["a", *reversed(lines)]))
    assert [found[0].mark, found[1].mark, found[-1].mark] == [Mark.SAME, Mark.GONE, Mark.NEW]
    marks = [each.mark for each in differences.between("a b " * 200_000, "b a " * 200_000)]
    assert marks == [Mark.GONE, Mark.NEW]
