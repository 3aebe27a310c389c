"""Which reader gets which selection of an issue: the one judgement that figures and planning share."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import FromClause, Select, func, select

from newsletter import db, settings
from newsletter.audience import readership
from newsletter.audience.models import Subscriber
from newsletter.audience.readership import Stretch
from newsletter.issues import received, selection
from newsletter.issues.freezing import Content, FrozenStory
from newsletter.issues.models import Issue
from newsletter.issues.received import Audience, Brought
from newsletter.issues.selection import Pool, Profile, Selection, Sizes, Story
from newsletter.publication.models import NewsletterKind

NOTHING_NEW = "nothing_new"


@dataclass
class Matcher:
    """An issue ready to be matched with readers; remembers the selection of every profile it has seen."""

    issue_id: int
    newsletter_id: int
    pool: Pool
    sizes: Sizes
    may_repeat: bool
    # Of a note: the run and the editions by which its readers had what it is about.
    audience: Audience | None = None
    _selections: dict[Profile, Selection] = field(default_factory=dict)

    @cached_property
    def offered_ids(self) -> frozenset[int]:
        """The articles it can bring at all."""
        return frozenset(story.id for story in (*self.pool.stories, *self.pool.evergreens))


@dataclass(frozen=True)
class Page:
    """The readers up to `last_id` as a query: reader_id, address, address_key, signature.

    Readers of one signature are alike in all that decides what they get: topics, what they had, why not.
    """

    last_id: int
    readers: Select[Any]


@dataclass(frozen=True)
class Judgement:
    """A page of readers judged: which selection each signature gets, how many have it, and who gets nothing."""

    chosen: Mapping[str, Selection]
    readers: Mapping[str, int]
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
        audience=received.audience(issue),
    )


def pool(content: Content) -> Pool:
    """What the content offers, as far as choosing goes."""
    return Pool(_stories(content.stories), tuple(topic.id for topic in content.sections), _stories(content.evergreens))


def page(matcher: Matcher, *, after: int, limit: int, at: datetime) -> Page | None:
    """The next `limit` readers whose id is above `after`, as of now; None when there are no more."""
    stretch = readership.stretch(matcher.newsletter_id, after=after, limit=limit)
    return None if stretch is None else _page(matcher, stretch, at)


def profile_or_reason(matcher: Matcher, reader_id: int, *, at: datetime) -> Profile | str | None:
    """What decides the digest of one reader, or the reason why there is none; None for who does not read it at all."""
    readers = _page(matcher, Stretch(reader_id, reader_id, 1), at).readers.subquery()
    signature = db.session.scalar(select(readers.c.signature))
    if signature is None:
        return None
    judged, found = judge(matcher, readers), profile(matcher, signature)
    return found if judged.chosen else next(iter(judged.left_out))


def _page(matcher: Matcher, stretch: Stretch, at: datetime) -> Page:
    readers = readership.within(matcher.newsletter_id, stretch, at=at)
    if matcher.audience is not None:
        readers = readers.where(received.is_in(matcher.audience, Subscriber.id.expression))
    found = readers.subquery()
    run_ids = received.runs_with(matcher.offered_ids, except_issue_id=matcher.issue_id)
    had = received.editions_of(found.c.reader_id, run_ids)
    signature = found.c.topics.concat("|").concat(found.c.reason).concat("|").concat(had)
    return Page(
        stretch.last_id, select(found.c.reader_id, found.c.address, found.c.address_key, signature.label("signature"))
    )


def judge(matcher: Matcher, readers: FromClause) -> Judgement:
    """What the readers of a page (its query's rows, or a table that holds them) get, one judgement a signature."""
    rows = db.session.execute(select(readers.c.signature, func.count()).group_by(readers.c.signature)).all()
    signs = [(signature, _Sign.read(signature, matcher.newsletter_id), count) for signature, count in rows]
    brought = received.brought({each for _, sign, _ in signs for each in sign.edition_ids})
    chosen: dict[str, Selection] = {}
    counts, left_out = dict[str, int](), Counter[str]()
    for signature, sign, count in signs:
        found = None if sign.reason else select_for(matcher, _profile(matcher, sign, brought))
        if found and (found.sections or matcher.audience is not None):
            chosen[signature], counts[signature] = found, count
        else:
            left_out[sign.reason or NOTHING_NEW] += count
    return Judgement(chosen, counts, left_out)


def profile(matcher: Matcher, signature: str) -> Profile:
    """What decides the digest of the readers of a signature."""
    sign = _Sign.read(signature, matcher.newsletter_id)
    return _profile(matcher, sign, received.brought(sign.edition_ids))


def select_for(matcher: Matcher, profile: Profile) -> Selection:
    """The digest of a profile."""
    if profile not in matcher._selections:
        matcher._selections[profile] = selection.select(
            matcher.pool, profile, matcher.sizes, may_repeat=matcher.may_repeat
        )
    return matcher._selections[profile]


@dataclass(frozen=True)
class _Sign:
    """A signature taken apart."""

    topic_ids: frozenset[int]
    taken_ids: frozenset[int]
    reason: str
    edition_ids: Sequence[int]

    @staticmethod
    def read(signature: str, newsletter_id: int) -> "_Sign":
        topics, reason, editions = signature.split("|")
        edition_ids = [int(each) for each in editions.split(",")] if editions else []
        return _Sign(*readership.taken(topics, newsletter_id), reason, edition_ids)


def _profile(matcher: Matcher, sign: _Sign, brought: Mapping[int, Brought]) -> Profile:
    return Profile(
        sign.topic_ids,
        sign.taken_ids,
        matcher.offered_ids.intersection(_all(brought[each].had_ids for each in sign.edition_ids)),
        matcher.offered_ids.intersection(_all(brought[each].shown_ids for each in sign.edition_ids)),
    )


def _all(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset[int]().union(*sets)


def _stories(frozen: Sequence[FrozenStory]) -> tuple[Story, ...]:
    return tuple(Story(story.id, story.topic_ids) for story in frozen)
