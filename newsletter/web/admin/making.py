"""What an issue's page shows of its making: what arrived, what can be undone, what stands between the stories."""

from typing import Any

from newsletter.issues import arrivals, blocks, editing, undoing
from newsletter.issues.models import OPEN_ISSUES, Issue, IssueEdit


def matter(issue: Issue) -> dict[str, Any]:
    """The values for templates/admin/_arrivals.html, _steps.html, _stories.html and _blocks.html."""
    is_open = issue.state in OPEN_ISSUES
    step = undoing.last(issue) if is_open else None
    takes_arrivals = is_open and not issue.is_note
    return {
        "arrivals": arrivals.waiting(issue) if takes_arrivals else [],
        "ticked": [],
        "arrived": arrivals.count(issue) if takes_arrivals else 0,
        "step": step,
        "just_dropped": _just_dropped(issue, step),
        "mark_of": editing.mark_of,
        "typed_story": {},
        "block_names": blocks.NAMES,
        "block_mark": blocks.mark_of,
        "typed_block": {},
    }


def _just_dropped(issue: Issue, step: IssueEdit | None) -> int | None:
    """The article whose drop was the last thing done: its place in the list offers to undo that."""
    changed = step.before.get("stories", {}) if step else {}
    if len(changed) != 1:
        return None
    (article_id, before), *_ = changed.items()
    entry = next((each for each in issue.entries if each.article_id == int(article_id)), None)
    is_drop = entry is not None and entry.dropped_at is not None and before is not None and not before["dropped_at"]
    return int(article_id) if is_drop else None
