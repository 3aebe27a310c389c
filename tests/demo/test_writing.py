"""The texts and pictures of the sample magazine, read as a sub-editor would."""

import io
import re
from datetime import timedelta

import pytest
from PIL import Image

from newsletter.demo import draw, magazine, readers

STORIES = magazine.stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
def test_every_story_reads_like_one(story):
    paragraphs = story.body.split("\n\n")
    written = "\n".join((story.headline, story.dek, story.body))
    assert 3 <= len(paragraphs) <= 5
    assert 80 < len(story.body.split()) < 400
    assert len(story.dek) <= 160
    assert "!" not in written
    assert not re.search(r"lorem|ipsum|  |\bTODO\b|[—–]", written, re.IGNORECASE)
    # Typographic quotes and apostrophes, but for the one headline that tries the straight ones.
    assert '"' not in story.body
    assert "'" not in written
    assert written.count("“") == written.count("”")
    assert set(story.topics) <= set(magazine.magazine().topics)
    assert bool(story.picture) == bool(story.alt)
    assert story.author


def test_the_stories_try_what_a_mail_has_to_bear():
    assert len(STORIES) == 40
    for distinct in ("slug", "headline", "body"):
        assert len({getattr(story, distinct) for story in STORIES}) == 40
    assert len([story for story in STORIES if story.age < timedelta(days=2)]) > 20
    for name in magazine.magazine().topics:
        ages = [story.age for story in STORIES if story.topics[0] == name]
        assert min(ages) < timedelta(hours=4), f"{name} has nothing new for the next issue"
        assert any(timedelta(hours=28) < age < timedelta(hours=76) for age in ages), f"{name} is in no sent issue"
    assert sum(len(story.topics) == 2 for story in STORIES) >= 5
    assert max(len(story.headline) for story in STORIES) > 180
    assert max(len(word) for story in STORIES for word in story.headline.split()) >= 40
    for trap in ("(UPDATE)", '"', "&", "“"):
        assert any(trap in story.headline for story in STORIES), trap
    assert any(not story.picture for story in STORIES)
    assert any(not story.dek for story in STORIES)
    assert {0, 1} <= {story.comments for story in STORIES}
    assert any(story.hypes == 0 for story in STORIES)
    assert any((story.hypes, story.comments) == (3952, 5) for story in STORIES)


def test_every_story_with_a_picture_has_a_drawing_of_its_own():
    named = [story.picture for story in STORIES if story.picture]
    assert sorted(named) == sorted(draw.DRAWINGS)
    assert {path.stem for path in magazine.PICTURES.glob("*.jpg")} == set(named)


@pytest.mark.parametrize("name", sorted(draw.DRAWINGS))
def test_a_committed_picture_is_small_and_of_the_size_the_mails_want(name):
    content = (magazine.PICTURES / f"{name}.jpg").read_bytes()
    assert len(content) < 40_000
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1200, 800))


def test_all_pictures_together_stay_below_a_megabyte_and_drawing_again_gives_the_same():
    assert sum(path.stat().st_size for path in magazine.PICTURES.glob("*.jpg")) < 1_000_000
    assert draw.draw("weather") == draw.draw("weather")


def test_the_readers_are_always_the_same_and_have_addresses_nobody_owns():
    once, again = list(readers.everybody()), list(readers.everybody())
    assert once == again
    assert len({person.address for person in once}) == 240
    assert all(person.address.endswith("@readers.example") for person in once)
    assert {person.fate for person in once} == set(readers.Fate)
    for person in once:
        digests = [wish.partition(":")[2] for wish in person.wishes if not wish.startswith("breaking:")]
        assert len(digests) == len(set(digests)), "one digest a topic"
