"""Which reader gets which selection of an issue: the one judgement that figures and planning share."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from newsletter import settings
from newsletter.audience import readership
from newsletter.audience.readership import Reader
from newsletter.issues import received, selection
from newsletter.issues.freezing import Content, FrozenStory
from newsletter.issues.models import Issue
from newsletter.issues.received import Brought
from newsletter.issues.selection import Pool, Profile, Selection, Sizes, Story
from newsletter.publication.models import NewsletterKind

NOTHING_NEW = "nothing_new"

_Key = tuple[frozenset[int], frozenset[int], frozenset[int]]


@dataclass
class Matcher:
    """An issue ready to be matched with readers; remembers the selection of every profile it has seen."""

    issue_id: int
    newsletter_id: int
    pool: Pool
    sizes: Sizes
    may_repeat: bool
    _selections: dict[_Key, Selection] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A page of readers judged: who gets what, and how many get nothing, by reason."""

    last_id: int
    chosen: Sequence[tuple[Reader, Selection]]
    left_out: Mapping[str, int]


def matcher(issue: Issue, content: Content) -> Matcher:
    """The matcher of an issue for its content."""
    present = settings.current()
    return Matcher(
        issue.id,
        issue.newsletter_id,
        pool(content),
        Sizes(present.section_size, present.mail_size, present.read_next_size),
        may_repeat=issue.newsletter.kind is NewsletterKind.SELECTION,
    )


def pool(content: Content) -> Pool:
    """What the content offers, as far as choosing goes."""
    return Pool(_stories(content.stories), tuple(topic.id for topic in content.sections), _stories(content.evergreens))


def page(matcher: Matcher, *, after: int, limit: int, at: datetime) -> Page | None:
    """Judge the next `limit` readers whose id is above `after`, as of now; None when there are no more."""
    readers = readership.page(matcher.newsletter_id, after=after, limit=limit, at=at)
    if not readers:
        return None
    offered = {story.id for story in (*matcher.pool.stories, *matcher.pool.evergreens)}
    brought = received.editions_with(offered, except_issue_id=matcher.issue_id)
    got = received.by_reader(brought, first_id=readers[0].id, last_id=readers[-1].id)
    chosen: list[tuple[Reader, Selection]] = []
    left_out = Counter[str]()
    for reader in readers:
        found = None if reader.reason else _selection(matcher, reader, got.get(reader.id, frozenset()), brought)
        if found and found.sections:
            chosen.append((reader, found))
        else:
            left_out[reader.reason or NOTHING_NEW] += 1
    return Page(readers[-1].id, chosen, left_out)


def _selection(
    matcher: Matcher, reader: Reader, edition_ids: frozenset[int], brought: Mapping[int, Brought]
) -> Selection:
    key = (reader.topic_ids, reader.taken_ids, edition_ids)
    if key not in matcher._selections:
        profile = Profile(
            reader.topic_ids,
            reader.taken_ids,
            frozenset[int]().union(*(brought[each].had_ids for each in edition_ids)),
            frozenset[int]().union(*(brought[each].shown_ids for each in edition_ids)),
        )
        matcher._selections[key] = selection.select(matcher.pool, profile, matcher.sizes, may_repeat=matcher.may_repeat)
    return matcher._selections[key]


def _stories(frozen: Sequence[FrozenStory]) -> tuple[Story, ...]:
    return tuple(Story(story.id, story.topic_ids) for story in frozen)
