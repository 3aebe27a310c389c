"""Notes, house ads and the sponsor of an issue: put between its stories, the same for every reader."""

import dataclasses
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError

from newsletter import clock, db, errors
from newsletter.articles import pictures
from newsletter.articles.pictures import Encoded
from newsletter.issues import editing
from newsletter.issues.editing import Hand
from newsletter.issues.models import BlockKind, BlockPlace, Issue, IssueBlock
from newsletter.mail import links

NAMES = {BlockKind.NOTE: "note", BlockKind.AD: "house ad", BlockKind.SPONSOR: "sponsor"}
LONGEST = {"label": 80, "markdown": 3000, "url": 2000, "link_text": 80, "alt": 300}
_ONE_SPONSOR = "This issue has a sponsor already. An issue has one: change that one, or take it out first."


@dataclass(frozen=True)
class Draft:
    """A block as an editor wants it; the address is an absolute one, `label` what stands small above it."""

    kind: BlockKind
    place: BlockPlace = BlockPlace.END
    label: str = ""
    markdown: str = ""
    url: str = ""
    link_text: str = ""
    alt: str = ""


def add(issue: Issue, draft: Draft, hand: Hand, *, picture: list[Encoded] | None = None) -> IssueBlock:
    """Put a block into an issue; raises BadInput, naming the field, for what readers must not get."""
    opened = editing.begin(issue, hand)
    draft = _checked(draft, has_picture=bool(picture))
    block = IssueBlock(issue_id=issue.id, picture=pictures.store(picture) if picture else None)
    _write(issue, block, draft)
    editing.done(opened, "block added", f"added the {NAMES[draft.kind]}", {}, _values(block))
    return block


def change(
    issue: Issue,
    block_id: int,
    draft: Draft,
    hand: Hand,
    *,
    picture: list[Encoded] | None = None,
    keeps_picture: bool = True,
    mark: str | None = None,
) -> IssueBlock:
    """Give a block other words, another place, another picture or none. `mark` is mark_of the block this editor saw.

    Raises BadInput like `add`, and Conflict when somebody else changed it.
    """
    opened = editing.begin(issue, hand)
    block = get(issue, block_id)
    if mark is not None and mark != mark_of(block):
        raise errors.Conflict("Somebody else changed this block meanwhile.")
    before = _values(block)
    draft = _checked(draft, has_picture=bool(picture or (keeps_picture and block.picture_id)))
    if picture:
        block.picture = pictures.store(picture)
    elif not keeps_picture:
        block.picture = None
    _write(issue, block, draft)
    editing.done(opened, "block changed", f"changed the {NAMES[draft.kind]}", before, _values(block))
    return block


def remove(issue: Issue, block_id: int, hand: Hand) -> None:
    """Take a block out."""
    opened = editing.begin(issue, hand)
    block = get(issue, block_id)
    block.removed_at = clock.now()
    editing.done(opened, "block removed", f"took out the {NAMES[block.kind]}", _values(block), {"block": block.id})


def get(issue: Issue, block_id: int) -> IssueBlock:
    """A block of the issue that stands; raises NotFound."""
    for block in issue.blocks:
        if block.id == block_id:
            return block
    raise errors.NotFound(f"Block {block_id} is not in this issue.")


def draft_of(block: IssueBlock) -> Draft:
    """What a block says."""
    return Draft(block.kind, block.place, block.label, block.markdown, block.url, block.link_text, block.alt)


def mark_of(block: IssueBlock) -> str:
    """A mark of everything the block shows."""
    return editing.mark_of(*dataclasses.astuple(draft_of(block)), str(block.picture_id))


def _checked(draft: Draft, *, has_picture: bool) -> Draft:
    draft = Draft(
        draft.kind,
        draft.place,
        label=" ".join(draft.label.split()),
        markdown=draft.markdown.replace("\r\n", "\n").strip(),
        url=draft.url.strip(),
        link_text=" ".join(draft.link_text.split()),
        alt=" ".join(draft.alt.split()),
    )
    for name, most in LONGEST.items():
        if len(getattr(draft, name)) > most:
            raise errors.BadInput(f"This has more than {most} characters.", field=name)
    if not draft.markdown and not has_picture:
        raise errors.BadInput("Write a text, or choose a picture.", field="markdown")
    if draft.kind is BlockKind.SPONSOR:
        if not draft.label:
            raise errors.BadInput(
                "A sponsor needs a label that says it is paid for, like “Presented by Lumen”.", field="label"
            )
        draft = dataclasses.replace(draft, place=BlockPlace.AFTER_LEAD)
    if draft.url and not links.safe(draft.url):
        raise errors.BadInput("Write a whole address that begins with https:// or http://.", field="url")
    if has_picture and not draft.alt:
        raise errors.BadInput("Say in words what the picture shows, for readers who do not see it.", field="alt")
    return draft


def _write(issue: Issue, block: IssueBlock, draft: Draft) -> None:
    others = [each for each in issue.blocks if each is not block]
    if draft.kind is BlockKind.SPONSOR and any(each.kind is BlockKind.SPONSOR for each in others):
        raise errors.BadInput(_ONE_SPONSOR, field="kind")
    for name, value in dataclasses.asdict(draft).items():
        setattr(block, name, value)
    if block not in issue.all_blocks:
        issue.all_blocks.append(block)
    try:
        db.session.flush()
    except IntegrityError:
        raise errors.Conflict(_ONE_SPONSOR) from None


def _values(block: IssueBlock) -> dict[str, object]:
    shown = {name: str(value) for name, value in dataclasses.asdict(draft_of(block)).items() if value}
    return {"block": block.id, **shown, "picture": block.picture_id}
