"""Commands for issues: compose, approve, undo, send, watch, pause, resume, cancel."""

import time
from datetime import datetime

import click
from flask.cli import AppGroup

from newsletter import clock, db, errors
from newsletter.cli.answers import ACTOR, Answer, add, counted
from newsletter.cli.progress import Line, pause_after
from newsletter.issues import composing, lifecycle, planning, progress
from newsletter.issues.models import Issue
from newsletter.publication import newsletters

_ISSUE = click.argument("issue_id", type=int, metavar="ISSUE")


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    issue = AppGroup("issue", help="The numbers of a newsletter, from draft to sent.")
    group.add_command(issue)
    add(issue, "compose", compose, click.argument("newsletter"))
    add(issue, "approve", approve, _ISSUE)
    add(
        issue,
        "send",
        send,
        _ISSUE,
        click.option("--at", help="When, with an offset: 2026-12-01T07:00+01:00. Leaves it to the scheduler."),
        click.option("--wait", is_flag=True, help="Show progress until it is sent."),
    )
    add(issue, "status", status, _ISSUE, reads=True)
    add(issue, "list", list_issues, click.argument("newsletter", required=False), reads=True)
    for name, function in (("undo", undo), ("draft", draft), ("pause", pause), ("resume", resume), ("cancel", cancel)):
        add(issue, name, function, _ISSUE)


def compose(*, newsletter: str) -> Answer:
    """Compose the newsletter's open issue, or add what arrived since."""
    issue = composing.compose(newsletters.get(newsletter), now=clock.now())
    figures = composing.figures(issue)
    data = {
        "issue": issue.id,
        "state": lifecycle.shown_state(issue),
        "articles": figures.articles,
        "editions": figures.editions,
        "readers": figures.readers,
        "skipped": figures.skipped,
    }
    articles, editions = counted(figures.articles, "article"), counted(figures.editions, "edition")
    lines = [f"Issue {issue.id}: {articles} in {editions} for {counted(figures.readers, 'reader')}."]
    if issue.held_reason:
        lines.append(issue.held_reason)
    return Answer(data, lines)


def approve(*, issue_id: int) -> Answer:
    """Approve an issue, freezing what it says."""
    issue = _get(issue_id)
    lifecycle.approve(issue, actor=ACTOR)
    return _state(issue)


def send(*, issue_id: int, at: str | None, wait: bool) -> Answer:
    """Send an approved issue: plans and releases before it returns, or leaves it to the scheduler with --at."""
    issue = _get(issue_id)
    if at:
        lifecycle.schedule(issue, _instant(at), actor=ACTOR)
        return _state(issue)
    lifecycle.send_now(issue, actor=ACTOR)
    db.session.commit()
    planning.release(issue_id)
    if wait:
        _wait(issue_id)
    return status(issue_id=issue_id)


def status(*, issue_id: int) -> Answer:
    """Say how far an issue is, counted in its messages."""
    found = progress.status(_get(issue_id))
    return Answer(found, [f"{name.replace('_', ' '):<12} {_shown(value)}" for name, value in found.items()])


def list_issues(*, newsletter: str | None) -> Answer:
    """List the latest issues."""
    chosen = newsletters.get(newsletter) if newsletter else None
    found = lifecycle.latest(chosen, limit=20)
    rows = [
        {
            "issue": each.id,
            "newsletter": each.newsletter.slug,
            "number": each.number,
            "state": lifecycle.shown_state(each),
        }
        for each in found
    ]
    return Answer({"issues": rows}, [f"{r['issue']:>5}  {r['newsletter']} {r['number']}  {r['state']}" for r in rows])


def undo(*, issue_id: int) -> Answer:
    """Take back the last approval, time or "send now", while nothing has left."""
    issue = _get(issue_id)
    lifecycle.undo(issue, actor=ACTOR)
    return _state(issue)


def draft(*, issue_id: int) -> Answer:
    """Return an approved issue to draft; it needs a new approval."""
    issue = _get(issue_id)
    lifecycle.return_to_draft(issue, actor=ACTOR)
    return _state(issue)


def pause(*, issue_id: int) -> Answer:
    """Pause a sending issue; what is in flight ends, nothing further leaves."""
    issue = _get(issue_id)
    lifecycle.pause(issue, actor=ACTOR)
    return _state(issue)


def resume(*, issue_id: int) -> Answer:
    """Go on with a paused issue."""
    issue = _get(issue_id)
    lifecycle.resume(issue, actor=ACTOR)
    return _state(issue)


def cancel(*, issue_id: int) -> Answer:
    """Cancel an issue; messages that have not left never will."""
    issue = _get(issue_id)
    lifecycle.cancel(issue, actor=ACTOR)
    return _state(issue)


def _get(issue_id: int) -> Issue:
    issue = db.session.get(Issue, issue_id)
    if issue is None:
        raise errors.NotFound(f"There is no issue {issue_id}.")
    return issue


def _state(issue: Issue) -> Answer:
    shown = lifecycle.shown_state(issue)
    data = {"issue": issue.id, "state": shown, "send_at": issue.send_at}
    when = f" for {issue.send_at.isoformat()}" if issue.send_at and shown == "scheduled" else ""
    return Answer(data, [f"Issue {issue.id} is {shown}{when}."])


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant
    except ValueError:
        pass
    raise errors.BadInput(f"The time needs an offset, like 2026-12-01T07:00+01:00, not {text!r}.", field="at")


def _wait(issue_id: int) -> None:
    """Say how far the issue is, read from the database, until it goes on no longer."""
    line, is_over = Line(), False
    while not is_over:
        began = time.monotonic()
        with db.reading():
            db.session.rollback()
            found = progress.status(_get(issue_id))
            db.session.rollback()
        is_over = found["state"] in ("sent", "paused", "cancelled")
        line.show(f"Issue {issue_id}", found, is_last=is_over)
        time.sleep(0 if is_over else pause_after(time.monotonic() - began, least=0.3))
    line.end()


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in value.items()) or "nobody"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
