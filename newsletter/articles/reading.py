"""Reading a feed document: RSS 2.0, RSS 1.0, Atom or JSON Feed, as drafts, keeping what can be read of a broken one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from newsletter import errors, settings
from newsletter.articles import illustration, items, jsonfeed, links, syndication, wording
from newsletter.articles.items import Item
from newsletter.articles.publishing import Draft

_TOLD = 5  # items of which it is told one by one what was wrong


@dataclass(frozen=True)
class Document:
    """What a feed document held, and in sentences what of it could not be read."""

    title: str
    drafts: list[Draft] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # Of the problems those that cost an item, each of them.
    left_out: list[str] = field(default_factory=list)


def read(content: bytes, *, content_type: str = "", url: str = "", language: str = "") -> Document:
    """The drafts of a document, by its content; relative links are completed by `url`. Raises BadInput for no feed."""
    most = settings.current().feed_items
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        title, found, problems = jsonfeed.read(content, most=most + 1)
    else:
        title, found, problems = syndication.read(content, content_type=content_type, url=url, most=most + 1)
    if len(found) > most:
        problems.append(f"The feed has more than {most} items; the first {most} were read.")
    drafts, left_out = _drafts(found[:most], url, language, problems)
    return Document(wording.plain(title), _own_guids(drafts), problems, left_out)


def _drafts(found: Sequence[Item], base: str, language: str, problems: list[str]) -> tuple[list[Draft], list[str]]:
    images = illustration.without_furniture([item.choices(base) for item in found])
    drafts, left_out = [], []
    for place, (item, image) in enumerate(zip(found, images, strict=True), start=1):
        try:
            drafts.append(items.draft(item, base=base, language=language, image=image))
        except errors.BadInput as error:
            left_out.append(f"Item {place} {error.message} and was left out.")
    problems += left_out[:_TOLD]
    if len(left_out) > _TOLD:
        problems.append(f"{len(left_out) - _TOLD} more items were left out.")
    if undated := sum(draft.published_at is None for draft in drafts):
        problems.append(f"{undated} of {len(drafts)} items have no date that could be read.")
    return drafts, left_out


def _own_guids(drafts: list[Draft]) -> list[Draft]:
    """The drafts, without the guids that several different articles of the document share."""
    keys: dict[str, set[str]] = {}
    for draft in drafts:
        keys.setdefault(draft.guid, set()).add(links.key(draft.url))
    return [replace(draft, guid="") if len(keys[draft.guid]) > 1 else draft for draft in drafts]
