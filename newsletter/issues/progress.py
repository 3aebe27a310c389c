"""How far an issue is: its messages counted by state, and who gets nothing."""

from typing import Any

from newsletter.issues import lifecycle, runs
from newsletter.issues.models import Issue
from newsletter.outbox import tally
from newsletter.outbox.models import MessageState


def status(issue: Issue) -> dict[str, Any]:
    """State, planned messages, one number for each message state, why it waits, and people left out by reason."""
    run = runs.find(issue)
    counts = tally.counts(run) if run else {state.value: 0 for state in MessageState}
    return {
        "issue": issue.id,
        "newsletter": issue.newsletter.slug,
        "number": issue.number,
        "state": lifecycle.shown_state(issue),
        "reason": issue.held_reason or (run.paused_reason if run else ""),
        "planned": run.planned if run else 0,
        **counts,
        "left_out": dict(issue.left_out),
    }
