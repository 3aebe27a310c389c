"""What sending an issue now would do: how many readers, in how many editions, and who would get nothing."""

from collections import Counter
from dataclasses import dataclass

from newsletter import clock, settings
from newsletter.audience import readership
from newsletter.issues import freezing, matching
from newsletter.issues.models import Issue

UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class Figures:
    """Stories offered, editions made of them, readers who would get one, and the others counted by reason."""

    articles: int
    editions: int
    readers: int
    skipped: dict[str, int]


def figures(issue: Issue) -> Figures:
    """The figures of an issue as of now; nothing is kept."""
    content = freezing.content(issue)
    matcher = matching.matcher(issue, content)
    editions, left_out, readers, after = set[str](), Counter[str](), 0, 0
    now, limit = clock.now(), settings.current().planning_page
    while page := matching.page(matcher, after=after, limit=limit, at=now):
        judged = matching.judge(matcher, page.readers.subquery())
        editions.update(found.key for found in judged.chosen.values())
        left_out.update(judged.left_out)
        readers += sum(judged.readers.values())
        after = page.last_id
    if waiting := readership.unconfirmed(issue.newsletter_id):
        left_out[UNCONFIRMED] = waiting
    return Figures(len(content.stories), len(editions), readers, dict(left_out))
