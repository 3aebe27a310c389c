"""What keeps an issue from going, or is to be looked at first: each with the places of the issue where it is mended."""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from newsletter import settings
from newsletter.issues.freezing import Content, FrozenBlock, FrozenStory
from newsletter.issues.models import BlockKind, IssueBlock
from newsletter.mail import inspection, links
from newsletter.mail.inspection import Flaw, Inspected, Rule


class Level(enum.StrEnum):
    BLOCK = "block"  # harm: it is not sent so
    WARN = "warn"


@dataclass(frozen=True)
class Place:
    """Where something is mended: what it is called, and its anchor on the issue's page, or a path of the desk."""

    name: str
    anchor: str


@dataclass(frozen=True)
class Finding:
    """One thing found, in a sentence."""

    rule: str
    level: Level
    said: str
    places: tuple[Place, ...] = ()

    def value(self) -> dict[str, Any]:
        """The finding as JSON knows it."""
        places = [{"name": place.name, "anchor": place.anchor} for place in self.places]
        return {"rule": self.rule, "level": self.level.value, "said": self.said, "places": places}

    @staticmethod
    def of(value: Mapping[str, Any]) -> "Finding":
        """The finding of a value."""
        places = tuple(Place(**each) for each in value["places"])
        return Finding(value["rule"], Level(value["level"]), value["said"], places)


@dataclass(frozen=True)
class Words:
    """One text of an issue, and where it is changed."""

    place: Place
    text: str


SUBJECT = Place("the subject", "f-subject")
PREHEADER = Place("the preview line", "f-preheader")
INTRO = Place("the introduction", "f-intro")
STORIES = Place("the stories", "stories-title")
_MASTHEAD = Place("the settings", "/admin/settings")

_BLOCKS = {BlockKind.NOTE: "a note", BlockKind.AD: "a house ad", BlockKind.SPONSOR: "the sponsor’s block"}
_SAID = {
    Rule.PLACEHOLDER: "“{words}” stands for words still to come.",
    Rule.UNFILLED: "“{words}” is a tag that nothing fills.",
}


def of_story(story_id: int, headline: str) -> Place:
    """The place of a story."""
    return Place(f"“{headline}”", f"story-{story_id}")


def of_block(block: FrozenBlock | IssueBlock) -> Place:
    """The place of a note, a house ad or the sponsor."""
    return Place(_BLOCKS[BlockKind(block.kind)], f"block-{block.id}")


def words_of_block(block: FrozenBlock | IssueBlock) -> Words:
    """Every text of a block."""
    return Words(of_block(block), "\n".join([block.label, block.markdown, block.link_text, block.alt]))


def in_words(texts: Iterable[Words]) -> list[Finding]:
    """Placeholders and tags in an issue's own words: told as soon as they are typed."""
    found: dict[tuple[Rule, str], dict[Place, None]] = {}
    for words in texts:
        flat = " ".join(words.text.split())
        for rule, look in ((Rule.PLACEHOLDER, inspection.placeholders), (Rule.UNFILLED, inspection.unfilled)):
            for said in look(flat):
                found.setdefault((rule, said), {})[words.place] = None
    return [
        Finding(rule, Level.BLOCK, _SAID[rule].format(words=said), tuple(places))
        for (rule, said), places in found.items()
    ]


def in_mails(content: Content, mails: Sequence[Inspected]) -> list[Finding]:
    """What is wrong with the finished mails of an issue, and where its content says so."""
    own = in_words(words_of(content))
    known = {finding.said for finding in own}
    flaws = list(dict.fromkeys(flaw for mail in mails for flaw in mail.flaws))
    others = [finding for flaw in flaws for finding in _of_flaw(flaw, content) if finding.said not in known]
    return [
        *own,
        *others,
        *_unreadable(content),
        *_without_description(flaws, content),
        *_about_subjects(content, mails),
    ]


def words_of(content: Content) -> Iterator[Words]:
    """Every text of an issue that an editor can change."""
    yield Words(SUBJECT, content.subject)
    yield Words(PREHEADER, content.preheader)
    yield Words(INTRO, content.intro)
    for story in content.stories:
        yield Words(of_story(story.id, story.headline), f"{story.headline}\n{story.dek}\n{story.alt}")
    yield from (words_of_block(block) for block in content.blocks)


def repeated(subject: str, number: int, place: Place) -> Finding:
    """That an issue of late bore the same subject."""
    return Finding("subject", Level.WARN, f"No. {number} had the same subject, “{subject}”.", (place,))


def place_of_subject(content: Content, subject: str) -> Place:
    """Where a mail's subject comes from: an editor's own words, or a lead's headline."""
    if subject == content.subject:
        return SUBJECT
    return next((of_story(each.id, each.headline) for each in content.stories if each.headline == subject), SUBJECT)


def places_of_link(content: Content, url: str) -> list[Place]:
    """The stories and blocks that lead to an address, else the introduction, where it stands in it."""
    stories = [
        of_story(story.id, story.headline)
        for story in (*content.stories, *content.evergreens)
        if links.safe(story.url) == url
    ]
    blocks = [of_block(block) for block in content.blocks if links.safe(block.url) == url or url in block.markdown]
    return [*stories, *blocks] or [INTRO]


def too_few(content: Content) -> list[Finding]:
    """That an issue brings few stories."""
    count, least = len(content.stories), settings.current().few_stories
    if count >= least:
        return []
    said = "It has one story." if count == 1 else f"It has {count or 'no'} stories."
    return [Finding("few", Level.WARN, said, (STORIES,))]


def _of_flaw(flaw: Flaw, content: Content) -> Iterator[Finding]:
    if flaw.rule in _SAID:
        # Not in the issue's own words, so in what surrounds them: masthead, labels, postal address.
        yield Finding(flaw.rule, Level.BLOCK, _SAID[flaw.rule].format(words=flaw.said), (_MASTHEAD,))
    elif flaw.rule is Rule.EMPTY_LINK:
        said = f"“{flaw.said}” is a link that leads nowhere."
        yield Finding(flaw.rule, Level.BLOCK, said, (_of_link(flaw.said, content),))
    elif flaw.rule is Rule.SIZE:
        yield Finding(flaw.rule, Level.BLOCK, flaw.said, (STORIES,))
    elif flaw.rule in (Rule.FOOTER, Rule.HEADERS):
        yield Finding(flaw.rule, Level.BLOCK, flaw.said, (_MASTHEAD,))


def _of_link(words: str, content: Content) -> Place:
    texts = [(INTRO, content.intro), *((of_block(block), block.markdown) for block in content.blocks)]
    found = [place for place, text in texts if words and words in " ".join(text.split())]
    return found[0] if found else _of_headline(words, content)


def _of_headline(words: str, content: Content) -> Place:
    found = [story for story in content.stories if words and (story.headline in words or words in story.headline)]
    return of_story(found[0].id, found[0].headline) if found else STORIES


def _unreadable(content: Content) -> list[Finding]:
    """Stories that lead nowhere: their headline is no link."""
    places = tuple(of_story(each.id, each.headline) for each in content.stories if not links.safe(each.url))
    said = "A story has no address to read it at." if len(places) == 1 else "Stories have no address to read them at."
    return [Finding(Rule.EMPTY_LINK, Level.BLOCK, said, places)] if places else []


def _without_description(flaws: Sequence[Flaw], content: Content) -> list[Finding]:
    sources = {flaw.said for flaw in flaws if flaw.rule is Rule.ALT}
    stories = [story for story in content.stories if sources & _pictures(story)]
    if not stories:
        return []
    many = f"{len(stories)} pictures have no description" if len(stories) > 1 else "A picture has no description"
    places = tuple(of_story(story.id, story.headline) for story in stories)
    return [Finding(Rule.ALT, Level.WARN, f"{many} for readers who do not see them.", places)]


def _pictures(story: FrozenStory) -> set[str]:
    return {links.safe(picture.url) for picture in (story.wide, story.small) if picture}


def _about_subjects(content: Content, mails: Sequence[Inspected]) -> Iterator[Finding]:
    most = settings.current().subject_length
    for subject in dict.fromkeys(mail.subject for mail in mails):
        if len(subject) > most:
            shown = f"Phones show the first 40, computers about {most}."
            said = f"The subject “{subject}” has {len(subject)} characters. {shown}"
            yield Finding("subject", Level.WARN, said, (place_of_subject(content, subject),))
