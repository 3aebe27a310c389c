"""From a selection to what its readers see: the view of an edition, rendered as mail."""

from datetime import datetime
from urllib.parse import urlsplit

from newsletter import settings
from newsletter.issues.freezing import Content, FrozenPicture, FrozenStory
from newsletter.issues.models import BlockKind, BlockPlace
from newsletter.issues.selection import Section, Selection
from newsletter.languages import speech
from newsletter.mail import digest, links, slots, words
from newsletter.mail.templates import Rendered
from newsletter.publication.models import NewsletterKind


def render(content: Content, selection: Selection, *, dated_at: datetime) -> Rendered:
    """The mail of an edition, with slots where a reader's address and token go. No database is used."""
    return digest.render(view(content, selection, dated_at=dated_at, why=_why(content)))


def view(content: Content, selection: Selection, *, dated_at: datetime, why: str = "") -> digest.Digest:
    """What a selection shows; `dated_at` is the instant whose date it bears, `why` may hold slots.ADDRESS."""
    stories = {story.id: story for story in (*content.stories, *content.evergreens)}
    topics = {topic.id: topic.name for topic in (*content.topics, *content.sections)}
    lead = stories[selection.lead_id] if selection.lead_id else None
    lead_topic = next((each.topic_id for each in selection.sections if selection.lead_id in each.story_ids), None)
    return digest.Digest(
        masthead=content.look,
        newsletter_title=content.title,
        number=content.number,
        dated_on=words.long_date(dated_at, content.zone, content.language),
        language=content.language,
        subject=subject(content, selection),
        preheader=content.preheader or _preheader(selection, stories),
        intro=content.intro,
        lead=_story(lead, topics.get(lead_topic or 0, ""), lead.wide) if lead else None,
        sections=tuple(_section(content, section, selection.lead_id, stories) for section in selection.sections),
        read_next=tuple(
            _story(story, topics.get(next(iter(story.topic_ids), 0), ""), story.small)
            for story in (stories[story_id] for story_id in selection.read_next_ids)
        ),
        # An issue of a private newsletter has no page.
        web_url=links.web_issue(content.slug, content.number) if content.is_public else "",
        why=why,
        postal_address=settings.current().postal_address,
        new_texts=tuple(digest.Text(text.title, text.on, text.url) for text in content.new_texts),
        top=_blocks(content, BlockPlace.TOP),
        after_lead=_blocks(content, BlockPlace.AFTER_LEAD),
        end=_blocks(content, BlockPlace.END),
    )


def subject(content: Content, selection: Selection) -> str:
    """The lead's headline; an editor's own subject where the edition carries the lead it was written for."""
    if content.subject and content.subject_lead_id in (None, selection.lead_id):
        return content.subject
    headlines = {story.id: story.headline for story in content.stories}
    return headlines.get(selection.lead_id or 0, content.title)


def _section(
    content: Content, section: Section, lead_id: int | None, stories: dict[int, FrozenStory]
) -> digest.Section:
    topic = next(each for each in content.sections if each.id == section.topic_id)
    more = section.more if content.is_public else 0
    return digest.Section(
        name=topic.name,
        # The lead stands above the sections and is not told twice.
        stories=tuple(
            _story(stories[story_id], topic.name, stories[story_id].small)
            for story_id in section.story_ids
            if story_id != lead_id
        ),
        more=more,
        more_url=links.web_issue(content.slug, content.number, topic.slug) if more else "",
        slug=topic.slug,
    )


def _blocks(content: Content, place: BlockPlace) -> tuple[digest.Block, ...]:
    return tuple(
        digest.Block(
            label=each.label,
            markdown=each.markdown,
            url=each.url,
            link_text=each.link_text or urlsplit(each.url).hostname or "",
            picture=digest.Image(each.picture.url, each.picture.width, each.picture.height, each.alt)
            if each.picture
            else None,
            is_paid=each.kind == BlockKind.SPONSOR,
        )
        for each in content.blocks
        if each.place == place
    )


def _story(story: FrozenStory, topic: str, picture: FrozenPicture | None) -> digest.Story:
    image = digest.Image(picture.url, picture.width, picture.height, story.alt) if picture else None
    return digest.Story(topic, story.headline, story.dek, story.url, story.hypes, story.comments, image)


def _preheader(selection: Selection, stories: dict[int, FrozenStory]) -> str:
    others = [stories[each].headline for each in selection.story_ids if each != selection.lead_id][:2]
    lead = stories[selection.lead_id].dek if selection.lead_id else ""
    return " · ".join(others) or lead


def _why(content: Content) -> str:
    language = content.language
    reason = speech.say(
        "You get this mail because %(address)s is subscribed to %(newsletter)s.",
        language,
        address=slots.ADDRESS,
        newsletter=content.title,
    )
    if content.kind == NewsletterKind.SELECTION:
        also = speech.later("It is a selection of the past week, and may bring stories you have had before.")
        return f"{reason} {speech.say(also, language)}"
    return reason
