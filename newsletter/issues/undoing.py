"""The steps that can be undone in an open issue: what stood before each change of an editor."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from newsletter import clock, db, settings
from newsletter.issues.models import Issue, IssueEdit

# Everything an editor changes, by name: {"words": {...}, "stories": {article id: {...}}, "blocks": {block id: {...}},
# "order": [article id, ...]}.
State = dict[str, Any]

_WORDS = ("subject", "subject_lead_id", "preheader", "intro", "is_arranged")
_OF_STORY = ("is_pinned", "dropped_at", "headline", "dek")
_OF_BLOCK = ("kind", "place", "label", "markdown", "url", "link_text", "picture_id", "alt")
# Words are saved while they are typed: what one person writes within this time is one step.
_ONE_BREATH = timedelta(minutes=1)


def state(issue: Issue) -> State:
    """What stands in the issue now, as values."""
    return {
        "words": _values(issue, _WORDS),
        "stories": {str(entry.article_id): _values(entry, _OF_STORY) for entry in issue.entries},
        "blocks": {str(block.id): _values(block, _OF_BLOCK) for block in issue.blocks},
        "order": [entry.article_id for entry in issue.entries],
    }


def remember(issue: Issue, was: State, label: str, *, actor: str, editor_id: int | None, joins: str = "") -> None:
    """Keep what was changed as a step, or as part of the last one where both join under the same name; flushes."""
    before = _changed(was, state(issue))
    if not before:
        return
    latest = last(issue)
    if latest and joins and latest.joins == joins and latest.actor == actor and clock.now() - latest.at < _ONE_BREATH:
        latest.before = _joined(before, latest.before)
    else:
        step = IssueEdit(issue_id=issue.id, label=label, joins=joins, before=before, at=clock.now())
        step.actor, step.editor_id = actor, editor_id
        db.session.add(step)
    db.session.flush()
    _forget_old(issue)


def last(issue: Issue) -> IssueEdit | None:
    """The newest step that was not undone."""
    query = select(IssueEdit).filter_by(issue_id=issue.id).order_by(IssueEdit.id.desc()).limit(1)
    return db.session.scalars(query).first()


def restore(issue: Issue, step: IssueEdit) -> None:
    """Put back what stood before the step, and forget it. What came since by itself stays, at the end."""
    for name, value in step.before.get("words", {}).items():
        setattr(issue, name, value)
    entries = {entry.article_id: entry for entry in issue.entries}
    for article_id, values in step.before.get("stories", {}).items():
        entry = entries.get(int(article_id))
        if entry is not None and values is None:
            issue.entries.remove(entry)
        elif entry is not None:
            _set(entry, values)
    blocks = {block.id: block for block in issue.all_blocks}
    for block_id, values in step.before.get("blocks", {}).items():
        block = blocks[int(block_id)]
        block.removed_at = clock.now() if values is None else None
        _set(block, values or {})
    _put_in_order(issue, step.before.get("order", []))
    db.session.delete(step)
    db.session.flush()


def forget(issue: Issue) -> None:
    """Forget every step: the issue can no longer be changed."""
    db.session.execute(delete(IssueEdit).where(IssueEdit.issue_id == issue.id))


def _values(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in found.items()}


def _set(row: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, datetime.fromisoformat(value) if value and name.endswith("_at") else value)


def _changed(was: State, now: State) -> State:
    """What of `was` is otherwise now; None where there was nothing."""
    found: State = {}
    for part in ("words", "stories", "blocks"):
        names = dict.fromkeys([*was[part], *now[part]])
        if differs := {name: was[part].get(name) for name in names if was[part].get(name) != now[part].get(name)}:
            found[part] = differs
    if was["order"] != now["order"]:
        found["order"] = was["order"]
    return found


def _joined(newer: State, older: State) -> State:
    """Two steps as one: what stood before the older, and before the newer where the older changed nothing."""
    words = {**newer.get("words", {}), **older.get("words", {})}
    return {**newer, **older, **({"words": words} if words else {})}


def _put_in_order(issue: Issue, article_ids: list[int]) -> None:
    places = {article_id: place for place, article_id in enumerate(article_ids)}
    issue.put_in_order(
        sorted(issue.entries, key=lambda entry: (places.get(entry.article_id, len(places)), entry.position))
    )


def _forget_old(issue: Issue) -> None:
    kept = select(IssueEdit.id).filter_by(issue_id=issue.id).order_by(IssueEdit.id.desc())
    kept = kept.limit(settings.current().undo_steps)
    db.session.execute(
        delete(IssueEdit)
        .where(IssueEdit.issue_id == issue.id, IssueEdit.id.not_in(kept.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )
