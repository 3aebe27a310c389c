"""What one digest brings: chosen from an issue's stories for a reader's topics, without what that reader has had."""

import functools
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Story:
    """A story as far as choosing goes: its article and its topics, the main one first."""

    id: int
    topic_ids: tuple[int, ...]


@dataclass(frozen=True)
class Pool:
    """What an issue offers: stories in issue order, the sections' topics in the newsletter's order, evergreens."""

    stories: tuple[Story, ...]
    section_ids: tuple[int, ...]
    evergreens: tuple[Story, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """The most a digest holds."""

    section: int
    mail: int
    read_next: int


@dataclass(frozen=True)
class Profile:
    """Everything about a reader that decides the digest; readers with equal profiles get the same one."""

    topic_ids: frozenset[int]  # taken in this newsletter
    taken_ids: frozenset[int]  # taken in any newsletter
    had_ids: frozenset[int] = frozenset()
    shown_ids: frozenset[int] = frozenset()  # stood under What to read next before


@dataclass(frozen=True)
class Section:
    """One topic's stories (the lead among them), and how many more there are."""

    topic_id: int
    story_ids: tuple[int, ...]
    more: int


@dataclass(frozen=True)
class Selection:
    """The stories of an edition; empty when there is nothing new."""

    lead_id: int | None
    sections: tuple[Section, ...]
    read_next_ids: tuple[int, ...]

    @property
    def story_ids(self) -> tuple[int, ...]:
        return tuple(story_id for section in self.sections for story_id in section.story_ids)

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 of all that shows: equal keys are one edition."""
        shown = [self.lead_id, [[each.topic_id, each.story_ids, each.more] for each in self.sections]]
        return hashlib.sha256(json.dumps([*shown, self.read_next_ids]).encode()).hexdigest()


def read(stored: Mapping[str, Any]) -> Selection:
    """A selection as dataclasses.asdict and JSON wrote it."""
    sections = (Section(each["topic_id"], tuple(each["story_ids"]), each["more"]) for each in stored["sections"])
    return Selection(stored["lead_id"], tuple(sections), tuple(stored["read_next_ids"]))


def without(whole: Selection, gone: Collection[int], order: Sequence[int]) -> Selection:
    """The same without these stories, nothing in their place; the lead is the first of what is left, by `order`.

    Empty when no story is left.
    """
    kept = [
        Section(each.topic_id, tuple(story_id for story_id in each.story_ids if story_id not in gone), each.more)
        for each in whole.sections
    ]
    sections = tuple(each for each in kept if each.story_ids or each.more)
    story_ids = [story_id for each in sections for story_id in each.story_ids]
    if not story_ids:
        return Selection(None, (), ())
    places = {story_id: place for place, story_id in enumerate(order)}
    lead_id = whole.lead_id
    if lead_id in gone:
        lead_id = min(story_ids, key=lambda each: places.get(each, len(places)))
    return Selection(lead_id, sections, tuple(story_id for story_id in whole.read_next_ids if story_id not in gone))


def select(pool: Pool, profile: Profile, sizes: Sizes, *, may_repeat: bool = False) -> Selection:
    """The digest of a profile; `may_repeat` for a newsletter that brings stories again, and says so."""
    had = frozenset[int]() if may_repeat else profile.had_ids
    offered = [
        (story, section_id)
        for story in pool.stories
        if story.id not in had and (section_id := _section_of(story, pool, profile)) is not None
    ]
    chosen, overflow = _fit(offered, sizes)
    if not chosen:
        return Selection(None, (), ())
    sections = tuple(
        Section(topic_id, tuple(chosen.get(topic_id, ())), len(overflow.get(topic_id, ())))
        for topic_id in pool.section_ids
        if topic_id in chosen or topic_id in overflow
    )
    left_over = [story.id for story, section_id in offered if story.id in overflow.get(section_id, ())]
    # Each section takes at least one story, so the first on offer is the first this edition has.
    return Selection(offered[0][0].id, sections, _read_next(pool, profile, left_over, sizes.read_next))


def everything(pool: Pool, lead_id: int | None = None) -> Selection:
    """All stories of an issue in full sections: the issue as the web shows it."""
    sizes = Sizes(section=len(pool.stories), mail=len(pool.stories), read_next=0)
    taken = frozenset(pool.section_ids)
    whole = select(pool, Profile(taken, taken), sizes, may_repeat=True)
    return Selection(lead_id or whole.lead_id, whole.sections, ())


def _fit(offered: Sequence[tuple[Story, int]], sizes: Sizes) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    chosen: dict[int, list[int]] = {}
    overflow: dict[int, list[int]] = {}
    count = 0
    for story, section_id in offered:
        fits = count < sizes.mail and len(chosen.get(section_id, ())) < sizes.section
        (chosen if fits else overflow).setdefault(section_id, []).append(story.id)
        count += fits
    return chosen, overflow


def _section_of(story: Story, pool: Pool, profile: Profile) -> int | None:
    # A story with two topics stands once, in the first section, in the newsletter's order, that this reader takes.
    return next((each for each in pool.section_ids if each in profile.topic_ids and each in story.topic_ids), None)


def _read_next(pool: Pool, profile: Profile, left_over: Sequence[int], size: int) -> tuple[int, ...]:
    seen = profile.had_ids | profile.shown_ids
    elsewhere = [
        story for story in pool.stories if story.id not in seen and not profile.taken_ids & set(story.topic_ids)
    ]
    if found := _one_each(elsewhere, size):
        return found
    own = {story.id for story in pool.stories}
    overflow = tuple(story_id for story_id in left_over if story_id not in seen)[:size]
    evergreen = tuple(story.id for story in pool.evergreens if story.id not in seen | own)[:size]
    return overflow or evergreen


def _one_each(stories: Sequence[Story], size: int) -> tuple[int, ...]:
    topics: set[int] = set()
    found: list[int] = []
    for story in stories:
        main = story.topic_ids[0] if story.topic_ids else None
        if main is not None and main not in topics and len(found) < size:
            topics.add(main)
            found.append(story.id)
    return tuple(found)
