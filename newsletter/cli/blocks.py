"""Commands for the notes, house ads and the sponsor of an issue."""

import dataclasses
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from newsletter.articles import pictures
from newsletter.articles.pictures import Encoded
from newsletter.cli.answers import ACTOR, Answer, Parameter, add
from newsletter.issues import agenda, blocks
from newsletter.issues.blocks import Draft
from newsletter.issues.editing import Hand
from newsletter.issues.models import BlockKind, BlockPlace, IssueBlock

_ISSUE = click.argument("issue_id", type=int, metavar="ISSUE")
_BLOCK = click.argument("block_id", type=int, metavar="BLOCK")
_HAND = Hand(ACTOR)
_NAMES = {"text": "markdown", "label": "label", "link": "url", "link_text": "link_text", "alt": "alt"}


def register(issue: AppGroup) -> None:
    """Add the commands to the group of issues."""
    block = AppGroup("block", help="Notes, house ads and the sponsor between the stories of an issue.")
    issue.add_command(block)
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    options: list[Parameter] = [
        click.option("--place", type=click.Choice([each.value for each in BlockPlace])),
        click.option("--text", help="Simple Markdown."),
        click.option("--label", help="Small, above it; a sponsor needs one."),
        click.option("--link", help="An absolute address."),
        click.option("--link-text"),
        click.option("--picture", type=file),
        click.option("--alt", help="What the picture shows, for readers who do not see it."),
    ]
    kind = click.option("--kind", type=click.Choice([each.value for each in BlockKind]), required=True)
    add(block, "list", list_blocks, _ISSUE, reads=True)
    add(block, "add", add_block, _ISSUE, kind, *options)
    without = click.option("--without-picture", is_flag=True)
    add(block, "change", change, _ISSUE, _BLOCK, *options, without)
    add(block, "remove", remove, _ISSUE, _BLOCK)


def list_blocks(*, issue_id: int) -> Answer:
    """List what stands between the stories of an issue."""
    found = agenda.get(issue_id).blocks
    return Answer({"issue": issue_id, "blocks": [_row(each) for each in found]}, [_line(e) for e in found] or ["None."])


def add_block(*, issue_id: int, kind: str, place: str | None, picture: Path | None, **texts: str | None) -> Answer:
    """Put a note, a house ad or the sponsor into an issue."""
    given = {_NAMES[name]: text or "" for name, text in texts.items()}
    draft = Draft(BlockKind(kind), BlockPlace(place or BlockPlace.END), **given)
    return _saved(blocks.add(agenda.get(issue_id), draft, _HAND, picture=_encoded(picture)))


def change(
    *,
    issue_id: int,
    block_id: int,
    place: str | None,
    picture: Path | None,
    without_picture: bool,
    **texts: str | None,
) -> Answer:
    """Change of a block what is named; the rest stays."""
    issue = agenda.get(issue_id)
    named: dict[str, Any] = {_NAMES[name]: text for name, text in texts.items() if text is not None}
    draft = dataclasses.replace(blocks.draft_of(blocks.get(issue, block_id)), **named)
    if place:
        draft = dataclasses.replace(draft, place=BlockPlace(place))
    encoded = _encoded(picture)
    return _saved(blocks.change(issue, block_id, draft, _HAND, picture=encoded, keeps_picture=not without_picture))


def remove(*, issue_id: int, block_id: int) -> Answer:
    """Take a block out of an issue."""
    blocks.remove(agenda.get(issue_id), block_id, _HAND)
    return Answer({"issue": issue_id, "removed": block_id}, ["Taken out."])


def _encoded(picture: Path | None) -> list[Encoded] | None:
    return pictures.encode(picture.read_bytes()) if picture else None


def _saved(block: IssueBlock) -> Answer:
    return Answer({"issue": block.issue_id, **_row(block)}, [_line(block)])


def _row(block: IssueBlock) -> dict[str, Any]:
    return {
        "block": block.id,
        **dataclasses.asdict(blocks.draft_of(block)),
        "has_picture": block.picture_id is not None,
    }


def _line(block: IssueBlock) -> str:
    return f"{block.id:>6}  {block.kind.value}, {block.place.value}: {block.label or block.markdown[:60] or block.alt}"
