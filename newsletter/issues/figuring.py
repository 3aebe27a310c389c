"""What sending an issue now would do: how many readers, in how many editions, and who would get nothing."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from newsletter import clock, settings
from newsletter.audience import readership
from newsletter.issues import freezing, matching
from newsletter.issues.matching import Judgement, Matcher
from newsletter.issues.models import Issue
from newsletter.issues.selection import Profile, Selection

UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class Sample:
    """One edition that stands out: what it brings, how many readers get it, and the profile it is chosen by."""

    selection: Selection
    readers: int
    profile: Profile

    @property
    def stories(self) -> int:
        """How many stories it brings, without what to read next."""
        return len(self.selection.story_ids)


@dataclass(frozen=True)
class Figures:
    """Stories offered, editions made of them, readers who would get one, and the others counted by reason.

    `sections` counts readers by topic, `samples` holds the "smallest", "largest" and "commonest" edition.
    """

    articles: int
    editions: int
    readers: int
    skipped: dict[str, int]
    sections: dict[int, int] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Everybody who confirmed some of the newsletter."""
        return self.readers + sum(count for reason, count in self.skipped.items() if reason != UNCONFIRMED)


def figures(issue: Issue, *, after_page: Callable[[], object] = lambda: None) -> Figures:
    """The figures of an issue as of now; nothing is kept. A million readers take some seconds.

    `after_page` is called between two pages of readers, and may end the transaction.
    """
    content = freezing.content(issue)
    matcher = matching.matcher(issue, content)
    tally = _Tally()
    after, now, limit = 0, clock.now(), settings.current().planning_page
    while page := matching.page(matcher, after=after, limit=limit, at=now):
        tally.add(matching.judge(matcher, page.readers.subquery()))
        after = page.last_id
        after_page()
    if waiting := readership.unconfirmed(matcher.newsletter_id):
        tally.left_out[UNCONFIRMED] = waiting
    return Figures(
        articles=len(content.stories),
        editions=len(tally.readers),
        readers=tally.readers.total(),
        skipped=dict(tally.left_out),
        sections=tally.sections(),
        samples=tally.samples(matcher),
    )


def profile_of(stored: Mapping[str, Any]) -> Profile:
    """A profile as `stored_profile` wrote it."""
    return Profile(**{name: frozenset(ids) for name, ids in stored.items()})


def stored_profile(profile: Profile) -> dict[str, list[int]]:
    """A profile as a value that JSON knows."""
    return {
        "topic_ids": sorted(profile.topic_ids),
        "taken_ids": sorted(profile.taken_ids),
        "had_ids": sorted(profile.had_ids),
        "shown_ids": sorted(profile.shown_ids),
    }


class _Tally:
    """Readers counted by edition, with what each edition brings and a signature that leads to it."""

    def __init__(self) -> None:
        self.readers = Counter[str]()
        self.left_out = Counter[str]()
        self._editions: dict[str, tuple[Selection, str]] = {}

    def add(self, judged: Judgement) -> None:
        """Count a page of readers."""
        for signature, chosen in judged.chosen.items():
            self.readers[chosen.key] += judged.readers[signature]
            self._editions.setdefault(chosen.key, (chosen, signature))
        self.left_out.update(judged.left_out)

    def sections(self) -> dict[int, int]:
        """Readers by topic: those whose edition has a section of it."""
        found = Counter[int]()
        for key, (chosen, _) in self._editions.items():
            for section in chosen.sections:
                if section.story_ids:
                    found[section.topic_id] += self.readers[key]
        return dict(found)

    def samples(self, matcher: Matcher) -> dict[str, Sample]:
        """The editions with the fewest and the most stories, and the one most readers get; none without readers."""
        if not self.readers:
            return {}
        # Of equals the one with more readers; the key last, so that two countings name the same one.
        length = {key: len(chosen.story_ids) for key, (chosen, _) in self._editions.items()}
        found = {
            "smallest": min(length, key=lambda key: (length[key], -self.readers[key], key)),
            "largest": min(length, key=lambda key: (-length[key], -self.readers[key], key)),
            "commonest": min(length, key=lambda key: (-self.readers[key], key)),
        }
        return {name: self._sample(matcher, key) for name, key in found.items()}

    def _sample(self, matcher: Matcher, key: str) -> Sample:
        chosen, signature = self._editions[key]
        return Sample(chosen, self.readers[key], matching.profile(matcher, signature))
