"""An issue as one of its readers would get it, before anything is sent."""

from collections.abc import Collection
from dataclasses import dataclass

from newsletter import clock, settings
from newsletter.audience import readership
from newsletter.issues import amendments, counting, editions, figuring, freezing, matching, plates, selection
from newsletter.issues.freezing import Content
from newsletter.issues.models import Issue
from newsletter.issues.plates import Pressed
from newsletter.issues.selection import Profile, Selection
from newsletter.mail.press import Press
from newsletter.mail.templates import Rendered

# Stand in for what differs from reader to reader.
TOKEN = "preview"  # noqa: S105 - opens nothing
ADDRESS = "reader@magazine.example"
_MESSAGE_ID = "<preview@magazine.example>"

EDITIONS = ("smallest", "largest", "commonest")

_NO_MAIL = {
    matching.NOTHING_NEW: "This reader gets no mail: in the topics they take, they have had every story of it.",
    readership.PAUSED: "This reader gets no mail: they pause.",
    readership.SUPPRESSED: "This reader gets no mail: their address must not be written to.",
    readership.TERMS: "This reader gets no mail: they have not agreed to the new terms.",
}
_NOT_SUBSCRIBED = "This reader gets no mail: they have not confirmed any topic of {newsletter}."


@dataclass(frozen=True)
class Choice:
    """For whom an issue is shown: a profile with a name, or why there is no mail to show."""

    profile: Profile | None = None
    no_mail: str = ""


def of_edition(issue: Issue, name: str) -> Choice:
    """The edition counted as `name`, one of EDITIONS; a reader of everything where nobody has counted yet."""
    sample = counting.of(issue).figures.get(name) if name in EDITIONS else None
    return Choice(figuring.profile_of(sample["profile"])) if sample else Choice()


def of_reader(issue: Issue, reader_id: int) -> Choice:
    """What this reader would get, what they had before considered."""
    found = matching.profile_or_reason(matching.matcher(issue, _content(issue)), reader_id, at=clock.now())
    if isinstance(found, Profile):
        return Choice(found)
    if found is None:
        return Choice(no_mail=_NOT_SUBSCRIBED.format(newsletter=issue.newsletter.title))
    return Choice(no_mail=_NO_MAIL[found])


def render(issue: Issue, topic_ids: Collection[int] | None = None, profile: Profile | None = None) -> Rendered:
    """The mail of a profile, or of a new reader of these topics, by default of all; of an approved issue as frozen.

    It renders: call it in a read-only request, never while the database waits for a writer.
    """
    content = _content(issue)
    dated_at = issue.send_at or clock.now()
    mail = editions.render(content, choose(content, topic_ids, profile), dated_at=dated_at)
    return mail.for_reader(token=TOKEN, address=ADDRESS)


def source(issue: Issue, topic_ids: Collection[int] | None = None, profile: Profile | None = None) -> bytes:
    """The same mail with all its headers, as it would leave."""
    plate = pressed(issue, topic_ids, profile).plate
    return Press(plate).fill(ADDRESS, _MESSAGE_ID, issue.send_at or clock.now(), TOKEN)


def pressed(
    issue: Issue, topic_ids: Collection[int] | None = None, profile: Profile | None = None, *, mark: str = ""
) -> Pressed:
    """The same mail pressed, its subject marked."""
    content, dated_at = _content(issue), issue.send_at or clock.now()
    chosen = choose(content, topic_ids, profile)
    return plates.cast(issue.id, content, chosen, dated_at=dated_at, is_automatic=issue.is_automatic, mark=mark)


def choose(content: Content, topic_ids: Collection[int] | None = None, profile: Profile | None = None) -> Selection:
    """What such a reader's digest brings."""
    pool = matching.pool(content)
    taken = frozenset(pool.section_ids if topic_ids is None else topic_ids)
    present = settings.current()
    sizes = selection.Sizes(present.section_size, present.mail_size, present.read_next_size)
    return selection.select(pool, profile or Profile(taken, taken), sizes)


def _content(issue: Issue) -> Content:
    """What would leave from now on."""
    return amendments.of(freezing.content(issue)).content
