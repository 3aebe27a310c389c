"""What one issue brings its readers: the view of a digest, as mail and as a page."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from newsletter import settings
from newsletter.mail import slots, templates
from newsletter.mail.looks import Look
from newsletter.mail.templates import Rendered

_View = TypeVar("_View")


@dataclass(frozen=True)
class Image:
    """A picture by its address; width and height in the pixels of the file."""

    url: str
    width: int
    height: int
    alt: str = ""


@dataclass(frozen=True)
class Story:
    """One article as a digest shows it; counters that are None or zero are hidden."""

    topic: str
    headline: str
    dek: str
    url: str
    hypes: int | None = None
    comments: int | None = None
    picture: Image | None = None


@dataclass(frozen=True)
class Section:
    """A topic with its stories; `more` stories stand at `more_url` only. `slug` is the section's anchor on the web."""

    name: str
    stories: Sequence[Story]
    more: int = 0
    more_url: str = ""
    slug: str = ""


@dataclass(frozen=True)
class Block:
    """A note, house ad or sponsor: Markdown, a picture, a link, each of them or not; `is_paid` for by somebody."""

    label: str
    markdown: str
    url: str = ""
    link_text: str = ""
    picture: Image | None = None
    is_paid: bool = False


@dataclass(frozen=True)
class Text:
    """A legal text of which there is a new version: its title, the day (written out) it is from, its address."""

    title: str
    on: str
    url: str


@dataclass(frozen=True)
class Digest:
    """Everything a digest shows. `dated_on` is written out (words.long_date); `intro` may hold simple Markdown."""

    masthead: Look
    newsletter_title: str
    number: int
    dated_on: str
    language: str
    subject: str
    preheader: str
    intro: str
    lead: Story | None
    sections: Sequence[Section]
    read_next: Sequence[Story]
    web_url: str  # empty: there is no page of it
    # A sentence of ours, best with slots.ADDRESS in it.
    why: str
    postal_address: str
    new_texts: Sequence[Text] = ()
    # Above the lead, below it, and below everything but the footer.
    top: Sequence[Block] = ()
    after_lead: Sequence[Block] = ()
    end: Sequence[Block] = ()


def render(view: Digest) -> Rendered:
    """The mail of every reader of an edition, slots inside.

    Where the HTML grows past settings.mail_html_bytes, deks are given up from the end, never the footer; one that is
    too large all the same is returned: ask `size`.
    """
    view = _harmless(view)
    rendered = _mail(view)
    while size(rendered) > settings.current().mail_html_bytes and any(story.dek for story in _listed(view)):
        view = _shortened(view)
        rendered = _mail(view)
    return rendered


def render_web(view: Digest) -> str:
    """The same stories as a fragment of a public page, nothing personal in it; it holds the page's h1."""
    return templates.fragment("public/issue_body.html", _context(_harmless(view)))


def size(rendered: Rendered) -> int:
    """Bytes of the HTML once the longest token and address stand in it; Gmail clips above settings.mail_html_bytes."""
    return len(rendered.for_reader(token="t" * 160, address="a" * 254).html.encode())


def _mail(view: Digest) -> Rendered:
    return templates.render("digest", _context(view))


def _context(view: Digest) -> dict[str, Any]:
    return {"digest": view, "look": view.masthead, "language": view.language}


def _listed(view: Digest) -> list[Story]:
    return [*(story for section in view.sections for story in section.stories), *view.read_next]


def _shortened(view: Digest) -> Digest:
    """Without the deks of what stands last and still has some: what to read next, then the last section."""
    if any(story.dek for story in view.read_next):
        return dataclasses.replace(view, read_next=_without_deks(view.read_next))
    sections = list(view.sections)
    last = max(place for place, section in enumerate(sections) if any(story.dek for story in section.stories))
    sections[last] = dataclasses.replace(sections[last], stories=_without_deks(sections[last].stories))
    return dataclasses.replace(view, sections=sections)


def _without_deks(stories: Sequence[Story]) -> list[Story]:
    return [dataclasses.replace(story, dek="") for story in stories]


def _harmless(view: Digest) -> Digest:
    """The view with every text cleaned and no slot in any of them but `why`, which is our own sentence."""
    return dataclasses.replace(_without_slots(view), why=view.why)


def _without_slots(value: _View) -> _View:
    if isinstance(value, str):
        return slots.absent(value)  # type: ignore[return-value]  # a str came in
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: _without_slots(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    if isinstance(value, (list, tuple)):
        return type(value)(_without_slots(part) for part in value)
    return value
