"""How a digest looks in a masthead, or with a story, that is not saved yet."""

import dataclasses

from sqlalchemy import select

from newsletter import clock, db, settings
from newsletter.issues import editions, freezing, matching, selection
from newsletter.issues.models import Issue, IssueArticle
from newsletter.issues.previews import ADDRESS, TOKEN
from newsletter.issues.selection import Profile, Sizes
from newsletter.languages import speech
from newsletter.mail import digest, links, slots, words
from newsletter.mail.looks import Look
from newsletter.mail.templates import Rendered

# Enough to see everything there is in a digest, little enough to be drawn at every letter typed.
_SIZES = Sizes(section=2, mail=5, read_next=2)
_STORIES = (
    ("Design", "A lamp that folds flat", "Eleven years, two floods, one lathe.", 3952, 12),
    ("Design", "What a chair owes the person who sits on it", "A short answer from four makers.", 128, 1),
    ("Music", "Four voices, one room", "The quartet that records without headphones.", 1, 5),
    ("Art", "The gallery that opens at night", "", 77, 0),
)


def render(look: Look) -> Rendered:
    """A short digest in this look; it renders, so call it in a read-only request."""
    offering = select(IssueArticle.issue_id).where(IssueArticle.dropped_at.is_(None))
    newest = select(Issue).where(Issue.id.in_(offering)).order_by(Issue.id.desc()).limit(1)
    issue = db.session.scalars(newest).first()
    mail = _of_issue(issue, look) if issue else digest.render(_made_up(look))
    return mail.for_reader(token=TOKEN, address=ADDRESS)


def of_story(look: Look, told: digest.Story, small: digest.Image | None) -> Rendered:
    """A short digest with this story as its lead, and once more as it stands in a section, with its small picture."""
    again = digest.Section(told.topic or look.name, (dataclasses.replace(told, picture=small),))
    view = dataclasses.replace(_made_up(look), subject=told.headline, lead=told, sections=(again,), read_next=())
    return digest.render(view).for_reader(token=TOKEN, address=ADDRESS)


def _of_issue(issue: Issue, look: Look) -> Rendered:
    content = dataclasses.replace(freezing.content(issue), look=look)
    pool = matching.pool(content)
    offered = [each for each in pool.section_ids if any(each in story.topic_ids for story in pool.stories)]
    # A reader of all but the last has something to read next.
    taken = frozenset(offered[:-1] or offered)
    chosen = selection.select(pool, Profile(taken, taken), _SIZES)
    return editions.render(content, chosen, dated_at=issue.send_at or clock.now())


def _made_up(look: Look) -> digest.Digest:
    lead, second, third, fourth = (
        digest.Story(topic, headline, dek, links.home(), hypes, comments)
        for topic, headline, dek, hypes, comments in _STORIES
    )
    return digest.Digest(
        masthead=look,
        newsletter_title="The Daily",
        number=1,
        dated_on=words.long_date(clock.now(), "UTC", look.language),
        language=look.language,
        subject=lead.headline,
        preheader=second.headline,
        intro="",
        lead=lead,
        sections=(digest.Section("Design", (second,), 3, links.home(), "design"), digest.Section("Music", (third,))),
        read_next=(fourth,),
        web_url=links.home(),
        why=speech.say(
            "You get this mail because %(address)s is subscribed to %(newsletter)s.",
            look.language,
            address=slots.ADDRESS,
            newsletter="The Daily",
        ),
        postal_address=settings.current().postal_address,
    )
