"""What one digest brings, as pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.issues import selection
from newsletter.issues.selection import Pool, Profile, Sizes, Story

MUSIC, ART, DESIGN, GAMING, FILM = range(1, 6)
SIZES = Sizes(section=10, mail=25, read_next=3)


def pool(*stories, evergreens=()):
    numbered = tuple(Story(number, topics) for number, topics in enumerate(stories, 1))
    return Pool(numbered, (MUSIC, ART, DESIGN, GAMING), evergreens)


def reader(*topics, taken=None, had=(), shown=()):
    return Profile(frozenset(topics), frozenset(topics if taken is None else taken), frozenset(had), frozenset(shown))


def by_topic(found):
    return {section.topic_id: section.story_ids for section in found.sections}


def test_sections_stand_in_the_newsletters_order_and_the_first_story_in_issue_order_leads():
    found = selection.select(pool((ART,), (MUSIC,), (ART,)), reader(MUSIC, ART), SIZES)
    assert list(by_topic(found).items()) == [(MUSIC, (2,)), (ART, (1, 3))]
    assert found.lead_id == 1


@pytest.mark.parametrize(
    ("topics", "section"), [((MUSIC, ART), MUSIC), ((ART,), ART), ((ART, DESIGN), ART), ((DESIGN,), None)]
)
def test_a_story_with_two_topics_stands_once_in_the_first_section_the_reader_takes(topics, section):
    found = selection.select(pool((ART, MUSIC)), reader(*topics), SIZES)
    assert by_topic(found) == ({section: (1,)} if section else {})


def test_who_has_had_everything_gets_nothing():
    assert not selection.select(pool((MUSIC,), (ART,)), reader(MUSIC, had=[1]), SIZES).sections


def test_a_selection_may_repeat_what_was_had():
    found = selection.select(pool((MUSIC,)), reader(MUSIC, had=[1]), SIZES, may_repeat=True)
    assert found.story_ids == (1,)


def test_what_does_not_fit_is_counted_in_its_section():
    many = pool(*[(MUSIC,)] * 12, *[(ART,)] * 12, *[(DESIGN,)] * 12)
    found = selection.select(many, reader(MUSIC, ART, DESIGN), SIZES)
    assert [(len(each.story_ids), each.more) for each in found.sections] == [(10, 2), (10, 2), (5, 7)]


def test_read_next_brings_one_story_from_each_topic_the_reader_takes_nowhere():
    offered = pool((MUSIC,), (ART,), (ART,), (DESIGN,), (GAMING, MUSIC), (GAMING,))
    assert selection.select(offered, reader(MUSIC), SIZES).read_next_ids == (2, 4, 6)
    assert selection.select(offered, reader(MUSIC, taken=(MUSIC, ART)), SIZES).read_next_ids == (4, 6)
    assert selection.select(offered, reader(MUSIC, had=[2], shown=[4]), SIZES).read_next_ids == (3, 6)


def test_read_next_falls_back_to_overflow_then_to_evergreens_then_is_hidden():
    evergreens = (Story(90, (FILM,)), Story(91, (MUSIC,)), Story(92, (FILM,)), Story(93, (FILM,)))
    over = pool(*[(MUSIC,)] * 12, evergreens=evergreens)
    assert selection.select(over, reader(MUSIC), SIZES).read_next_ids == (11, 12)
    small = pool((MUSIC,), evergreens=evergreens)
    assert selection.select(small, reader(MUSIC), SIZES).read_next_ids == (90, 91, 92)
    assert selection.select(small, reader(MUSIC, had=[90, 92], shown=[91, 93]), SIZES).read_next_ids == ()


def test_the_web_shows_all_stories_once():
    whole = selection.everything(pool((ART, MUSIC), (ART,), *[(MUSIC,)] * 30), lead_id=2)
    assert sorted(whole.story_ids) == list(range(1, 33))
    assert (whole.lead_id, {section.more for section in whole.sections}) == (2, {0})


topic_sets = st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True).map(tuple)
ids = st.frozensets(st.integers(1, 30))


@given(
    stories=st.lists(topic_sets, max_size=30),
    topics=st.frozensets(st.integers(1, 5), min_size=1),
    elsewhere=st.frozensets(st.integers(1, 5)),
    had=ids,
    shown=ids,
    sizes=st.builds(Sizes, section=st.integers(1, 4), mail=st.integers(1, 8), read_next=st.just(3)),
)
def test_the_rules_hold_for_any_reader_and_any_issue(stories, topics, elsewhere, had, shown, sizes):
    offered = pool(*stories)
    profile = Profile(topics, topics | elsewhere, had, shown)
    found = selection.select(offered, profile, sizes)
    new = {each.id for each in offered.stories if each.id not in had and topics & {1, 2, 3, 4} & set(each.topic_ids)}
    assert set(found.story_ids) <= new
    assert len(set(found.story_ids)) == len(found.story_ids) <= sizes.mail
    assert all(len(each.story_ids) <= sizes.section for each in found.sections)
    assert bool(found.story_ids) == bool(new)
    assert len(found.story_ids) + sum(each.more for each in found.sections) == len(new)
    assert found.lead_id == min(new, default=None)
    assert not {*found.read_next_ids} & {*had, *shown, *found.story_ids}
    assert len(found.read_next_ids) <= sizes.read_next


def test_a_selection_without_some_stories_keeps_all_others_where_they_were():
    whole = selection.Selection(
        1, (selection.Section(10, (1, 2), 3), selection.Section(11, (4,), 0), selection.Section(12, (5,), 2)), (7, 8)
    )
    order = (4, 2, 1, 5)
    for number in range(2**6):
        gone = {story for place, story in enumerate((1, 2, 4, 5, 7, 8)) if number >> place & 1}
        left = selection.without(whole, gone, order)
        kept = [story for story in whole.story_ids if story not in gone]
        assert list(left.story_ids) == kept
        if not kept:
            assert left == selection.Selection(None, (), ())
            continue
        assert left.lead_id == (1 if 1 not in gone else next(story for story in order if story in kept))
        assert set(left.read_next_ids) == {7, 8} - gone
        assert {each.topic_id: each.more for each in left.sections if each.more} == {10: 3, 12: 2}
        assert (left == whole) == (not gone)
