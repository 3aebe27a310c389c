"""An issue as one of its readers would get it, before anything is sent."""

from collections.abc import Collection

from newsletter import clock, settings
from newsletter.issues import amendments, editions, freezing, matching, selection
from newsletter.issues.freezing import Content
from newsletter.issues.models import Issue
from newsletter.issues.selection import Profile, Selection
from newsletter.mail.templates import Rendered

# Stand in for what differs from reader to reader.
TOKEN = "preview"  # noqa: S105 - opens nothing
ADDRESS = "reader@magazine.example"


def render(issue: Issue, topic_ids: Collection[int] | None = None, profile: Profile | None = None) -> Rendered:
    """The mail of a profile, or of a new reader of these topics, by default of all; of an approved issue as frozen.

    It renders: call it in a read-only request, never while the database waits for a writer.
    """
    # What would leave from now on.
    content = amendments.of(freezing.content(issue)).content
    dated_at = issue.send_at or clock.now()
    mail = editions.render(content, choose(content, topic_ids, profile), dated_at=dated_at)
    return mail.for_reader(token=TOKEN, address=ADDRESS)


def choose(content: Content, topic_ids: Collection[int] | None = None, profile: Profile | None = None) -> Selection:
    """What such a reader's digest brings."""
    pool = matching.pool(content)
    taken = frozenset(pool.section_ids if topic_ids is None else topic_ids)
    present = settings.current()
    sizes = selection.Sizes(present.section_size, present.mail_size, present.read_next_size)
    return selection.select(pool, profile or Profile(taken, taken), sizes)
