"""Commands for issues: compose, approve, undo, send, watch, pause, resume, cancel, and their messages."""

import time
from collections import Counter
from datetime import datetime
from typing import Any

import click
from flask.cli import AppGroup

from newsletter import clock, db, errors
from newsletter.cli.answers import ACTOR, Answer, add, counted
from newsletter.cli.progress import Line, pause_after
from newsletter.cli.sections import Sections
from newsletter.issues import composing, lifecycle, planning, preflight, progress, receipts, resending, runs
from newsletter.issues.models import Issue
from newsletter.outbox import listing, tally
from newsletter.outbox.models import Message, MessageState
from newsletter.publication import newsletters

_ISSUE = click.argument("issue_id", type=int, metavar="ISSUE")
_SECTIONS = {
    "preflight": ("preflight",),
    "trials": ("test",),
    "composing": (
        *("arrivals", "take", "leave"),
        *("drop", "take-back", "pin", "unpin", "move", "reword", "words", "undo-change"),
    ),
    "amending": ("go-on", "correct"),
    "blocks": ("block",),
}


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    issue = Sections("issue", help="The numbers of a newsletter, from draft to sent.", sections=_SECTIONS)
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
    add(
        issue,
        "messages",
        messages,
        _ISSUE,
        click.option("--state", type=click.Choice([each.value for each in MessageState]), help="Those in this state."),
        click.option("--address", help="This reader’s: did they get it?"),
        click.option("--after", type=int, default=0, help="Go on after this recipient, as the last page said."),
        reads=True,
    )
    add(issue, "resend", resend, _ISSUE, click.option("--yes", is_flag=True, help="Do not ask."))
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
    # In transactions of its own: nothing is rendered while others wait to write.
    preflight.look_through(issue_id)
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


def messages(*, issue_id: int, state: str | None, address: str | None, after: int) -> Answer:
    """List an issue's messages, page by page, or say what became of one reader's."""
    issue = _get(issue_id)
    if address:
        answer = receipts.ask(issue, address)
        if answer.receipt is None:
            return Answer({"issue": issue_id, "message": None, "reason": answer.reason}, [answer.reason])
        row = _message(answer.receipt.message, answer.receipt.state)
        return Answer({"issue": issue_id, "message": row}, [_line(row)])
    run = runs.find(issue)
    if run is None:
        return Answer({"issue": issue_id, "messages": [], "further": None}, ["No message was made yet."])
    found = listing.page(run, tally.counts(run), state=MessageState(state) if state else None, after=after)
    rows = [_message(each, listing.shown_state(each, run)) for each in found.messages]
    lines = [_line(row) for row in rows] or ["None."]
    if found.further is not None:
        lines.append(f"Further ones with --after {found.further}.")
    return Answer({"issue": issue_id, "messages": rows, "further": found.further}, lines)


def resend(*, issue_id: int, yes: bool) -> Answer:
    """Send again what was refused or given up, to who still reads it and has not had its stories since."""
    sendable, staying, places = 0, Counter[str](), [0]
    for after in places:
        found = resending.review(_get(issue_id), after=after)
        sendable, staying = sendable + len(found.sendable), staying + Counter(found.staying)
        places += [found.further] if found.further else []
    db.session.rollback()  # nobody waits for our answer with the database locked
    if sendable and not yes and not click.confirm(f"Send {counted(sendable, 'message')} again?", err=True):
        raise errors.Conflict("Nothing was sent.")
    moved = 0
    for after, up_to in zip(places, [*places[1:], None], strict=True):
        moved += resending.resend(_get(issue_id), after=after, up_to=up_to, actor=ACTOR)
        db.session.commit()
    lines = [f"{moved:,} queued again."]
    lines += [f"{number:,} stay as they are: {reason.replace('_', ' ')}." for reason, number in staying.items()]
    return Answer({"issue": issue_id, "moved": moved, "staying": dict(staying)}, lines)


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


def _message(message: Message, state: str) -> dict[str, Any]:
    return {
        "message": message.id,
        "address": message.address,
        "state": state,
        "attempts": message.attempts,
        "settled_at": message.settled_at,
        "code": message.last_code,
        "reply": message.last_reply,
        "message_id": message.message_id,
    }


def _line(row: dict[str, Any]) -> str:
    return f"{row['message']:>8}  {row['state']:<10} {row['address']}  {row['reply']}".rstrip()


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
