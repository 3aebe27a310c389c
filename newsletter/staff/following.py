"""Which newsletters an editor is told about: every one, until they say otherwise."""

from collections.abc import Iterable

from sqlalchemy import delete, select

from newsletter import db
from newsletter.publication import newsletters
from newsletter.staff.models import Editor, Unfollowed


def followed(editor_id: int) -> set[str]:
    """The slugs of the newsletters an editor is told about."""
    without = _without(editor_id)
    return {each.slug for each in newsletters.all() if each.id not in without}


def follow(editor_id: int, slugs: Iterable[str]) -> None:
    """Tell an editor about these newsletters, and those that come later, but not about the others there are."""
    wanted = set(slugs)
    db.session.execute(delete(Unfollowed).filter_by(editor_id=editor_id))
    others = [each for each in newsletters.all() if each.slug not in wanted]
    db.session.add_all(Unfollowed(editor_id=editor_id, newsletter_id=each.id) for each in others)
    db.session.flush()


def followers(newsletter_id: int | None, among: list[Editor]) -> list[Editor]:
    """Who of these editors is told about a newsletter, or about what concerns all; each where nobody follows it."""
    without = set(db.session.scalars(select(Unfollowed.editor_id).filter_by(newsletter_id=newsletter_id)))
    # What is held and told to nobody would wait for ever.
    return [each for each in among if each.id not in without] or among


def _without(editor_id: int) -> set[int]:
    return set(db.session.scalars(select(Unfollowed.newsletter_id).filter_by(editor_id=editor_id)))
