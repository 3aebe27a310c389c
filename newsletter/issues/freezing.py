"""What an issue says, taken out of the changing tables: its stories, order and words as values."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from newsletter import db, settings
from newsletter.articles import correcting, pictures
from newsletter.articles.models import Article, Picture
from newsletter.issues import candidates
from newsletter.issues.models import Issue, IssueBlock
from newsletter.mail import links, looks, words
from newsletter.publication import legal, masthead

# Enough for one block of evergreens in every edition, whatever its readers have had.
_EVERGREENS = 30


@dataclass(frozen=True)
class FrozenPicture:
    """One size of a picture: its absolute address, width and height in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True)
class FrozenStory:
    """An article as it stood at approval, in the words of this issue."""

    id: int
    headline: str
    dek: str
    url: str
    topic_ids: tuple[int, ...]  # the main one first
    hypes: int | None
    comments: int | None
    wide: FrozenPicture | None
    small: FrozenPicture | None
    alt: str
    is_fresh: bool = True  # no earlier issue of the newsletter offered it
    correction_id: int = 0  # the newest correction of the article that these words know; 0: none


@dataclass(frozen=True)
class FrozenTopic:
    """A topic as it was named at approval."""

    id: int
    name: str
    slug: str


@dataclass(frozen=True)
class FrozenText:
    """A new version of a legal text that readers are told of: its title, the day it is from, its address."""

    title: str
    on: str
    url: str


@dataclass(frozen=True)
class FrozenBlock:
    """A note, house ad or sponsor as it stood at approval."""

    id: int
    kind: str
    place: str
    label: str
    markdown: str
    url: str
    link_text: str
    picture: FrozenPicture | None
    alt: str


@dataclass(frozen=True)
class Content:
    """Everything an issue's mails are made of, but for the template and the operator's settings."""

    slug: str
    title: str
    number: int
    kind: str
    language: str
    zone: str
    sender: str
    look: looks.Look
    subject: str
    subject_lead_id: int | None
    preheader: str
    intro: str
    sections: tuple[FrozenTopic, ...]  # in the newsletter's order
    topics: tuple[FrozenTopic, ...]  # every topic a story has
    stories: tuple[FrozenStory, ...]  # in issue order
    evergreens: tuple[FrozenStory, ...]
    new_texts: tuple[FrozenText, ...] = ()
    is_public: bool = True  # has a page that anybody may read
    blocks: tuple[FrozenBlock, ...] = ()


def freeze(issue: Issue) -> None:
    """Keep the issue's present content with its hash; content frozen by an earlier approval of the same stays."""
    if issue.frozen is None:
        present = _present(issue)
        issue.frozen, issue.frozen_hash = dataclasses.asdict(present), digest(present)


def content(issue: Issue) -> Content:
    """What the issue says: as frozen, else as of now."""
    return _thawed(issue.frozen) if issue.frozen is not None else _present(issue)


def hash_of(issue: Issue, content: Content) -> str:
    """The SHA-256 of what an issue says: the one its approval is bound to."""
    return issue.frozen_hash if issue.frozen is not None else digest(content)


def digest(content: Content) -> str:
    """The SHA-256 of a content: who approves it approves exactly this."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(content), sort_keys=True).encode()).hexdigest()


def _present(issue: Issue) -> Content:
    newsletter = issue.newsletter
    carried = candidates.carried_before(issue)
    own = {entry.article_id for entry in issue.stories}
    most = 0 if issue.is_note else _EVERGREENS
    evergreens = [each for each in candidates.evergreens(newsletter, most) if each.id not in own]
    articles = [*(entry.article for entry in issue.stories), *evergreens]
    corrections = correcting.newest([each.id for each in articles])
    stories = tuple(
        _story(
            entry.article,
            corrections.get(entry.article_id, 0),
            headline=entry.headline,
            dek=entry.dek,
            is_fresh=entry.article_id not in carried,
        )
        for entry in issue.stories
    )
    topics = {topic.id: FrozenTopic(topic.id, topic.name, topic.slug) for each in articles for topic in each.topics}
    return Content(
        slug=newsletter.slug,
        title=newsletter.title,
        number=issue.number,
        kind=newsletter.kind.value,
        language=newsletter.language,
        zone=newsletter.zone,
        sender=newsletter.sender or settings.current().sender,
        look=looks.of(masthead.current()),
        subject=issue.subject,
        subject_lead_id=issue.subject_lead_id,
        preheader=issue.preheader,
        intro=issue.intro,
        sections=tuple(FrozenTopic(topic.id, topic.name, topic.slug) for topic in newsletter.topics),
        topics=tuple(topics[topic_id] for topic_id in sorted(topics)),
        stories=stories,
        evergreens=tuple(_story(each, corrections.get(each.id, 0)) for each in evergreens),
        new_texts=() if issue.is_note else _new_texts(issue),
        is_public=newsletter.is_public,
        blocks=tuple(_block(block) for block in issue.blocks),
    )


def _new_texts(issue: Issue) -> tuple[FrozenText, ...]:
    """The legal texts published since the newsletter's last issue was approved."""
    newsletter = issue.newsletter
    earlier = select(func.max(Issue.approved_at)).where(
        Issue.newsletter_id == newsletter.id,
        Issue.id != issue.id,
        Issue.released_at.is_not(None),
        # A note reaches few, and tells of nothing else.
        Issue.about_article_id.is_(None),
    )
    since = db.session.scalar(earlier) or newsletter.created_at
    return tuple(
        FrozenText(
            title=document.title,
            on=words.long_date(document.published_at, newsletter.zone, newsletter.language),
            url=links.legal_version(document.kind.value, document.version),
        )
        for document in legal.news(newsletter.language, since)
    )


def _story(
    article: Article, correction_id: int, *, headline: str = "", dek: str = "", is_fresh: bool = True
) -> FrozenStory:
    return FrozenStory(
        id=article.id,
        headline=headline or article.headline,
        dek=dek or article.dek,
        url=article.url,
        topic_ids=tuple(topic.id for topic in article.topics),
        hypes=article.hypes,
        comments=article.comments,
        wide=_picture(article.picture, "wide"),
        small=_picture(article.picture, "small"),
        alt=article.picture_alt,
        is_fresh=is_fresh,
        correction_id=correction_id,
    )


def _block(block: IssueBlock) -> FrozenBlock:
    return FrozenBlock(
        id=block.id,
        kind=block.kind.value,
        place=block.place.value,
        label=block.label,
        markdown=block.markdown,
        url=block.url,
        link_text=block.link_text,
        picture=_picture(block.picture, "wide"),
        alt=block.alt,
    )


def _picture(picture: Picture | None, label: str) -> FrozenPicture | None:
    found = pictures.address(picture, label) if picture else None
    if found is None:
        return None
    url, width, height = found
    # A mail has no page to be relative to.
    return FrozenPicture(settings.current().base_url + url if url.startswith("/") else url, width, height)


def _thawed(stored: Mapping[str, Any]) -> Content:
    values = dict(stored)
    values["look"] = looks.Look(**stored["look"])
    for name in ("sections", "topics"):
        values[name] = tuple(FrozenTopic(**each) for each in stored[name])
    for name in ("stories", "evergreens"):
        values[name] = _thawed_stories(stored[name])
    # Absent in what was frozen before there was such a thing.
    values["new_texts"] = tuple(FrozenText(**each) for each in stored.get("new_texts", ()))
    values["blocks"] = tuple(
        FrozenBlock(**{**each, "picture": FrozenPicture(**each["picture"]) if each["picture"] else None})
        for each in stored.get("blocks", ())
    )
    return Content(**values)


def _thawed_stories(stored: Sequence[Mapping[str, Any]]) -> tuple[FrozenStory, ...]:
    return tuple(
        FrozenStory(
            **{
                **each,
                "topic_ids": tuple(each["topic_ids"]),
                "wide": FrozenPicture(**each["wide"]) if each["wide"] else None,
                "small": FrozenPicture(**each["small"]) if each["small"] else None,
            }
        )
        for each in stored
    )
