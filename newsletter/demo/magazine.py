"""The sample magazine as it is written down: masthead, newsletters, texts and stories, read from here."""

import functools
import html
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PICTURES = FOLDER / "pictures"


@dataclass(frozen=True)
class Story:
    """One article: how long ago it came out, its counters, and the name and description of its picture."""

    slug: str
    topics: tuple[str, ...]
    headline: str
    dek: str
    author: str
    age: timedelta
    hypes: int
    comments: int
    body: str
    picture: str = ""
    alt: str = ""
    is_evergreen: bool = False

    @property
    def body_html(self) -> str:
        """The body as paragraphs of HTML."""
        return "".join(f"<p>{html.escape(paragraph, quote=False)}</p>" for paragraph in self.body.split("\n\n"))


@dataclass(frozen=True)
class Paper:
    """One of its newsletters."""

    slug: str
    title: str
    promise: str
    kind: str = "digest"
    approval: str = "none"
    days: tuple[str, ...] = ()
    at: str = ""
    zone: str = "UTC"
    is_default: bool = False


@dataclass(frozen=True)
class Magazine:
    """Everything about it but the stories."""

    name: str
    tagline: str
    accent: str
    fonts: str
    consent: str
    topics: Mapping[str, str]
    newsletters: tuple[Paper, ...] = field(default_factory=tuple)


@functools.cache
def magazine() -> Magazine:
    """The masthead, topics and newsletters."""
    written = _read(FOLDER / "magazine.toml")
    papers = [Paper(**{**each, "days": tuple(each.get("days", ()))}) for each in written.pop("newsletters")]
    return Magazine(**written, newsletters=tuple(papers))


@functools.cache
def stories() -> tuple[Story, ...]:
    """The stories, the oldest first."""
    written = [each for path in (FOLDER / "articles").glob("*.toml") for each in _read(path)["article"]]
    return tuple(sorted((_story(each) for each in written), key=lambda story: -story.age))


def text(name: str) -> str:
    """A legal text in Markdown: "terms-1", "terms-2", "privacy-1"."""
    return (FOLDER / "texts" / f"{name}.md").read_text(encoding="utf-8")


def _story(written: Mapping[str, Any]) -> Story:
    values = {**written, "topics": tuple(written["topics"]), "body": written["body"].strip()}
    return Story(age=timedelta(hours=values.pop("hours_ago")), **values)


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
