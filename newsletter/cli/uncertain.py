"""Commands for messages whose fate is unknown: list, settle, resend."""

from typing import Any

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.issues import doubts as editors_word
from newsletter.issues import runs
from newsletter.issues.models import Issue
from newsletter.outbox import doubts
from newsletter.outbox.models import Message, MessageState


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    uncertain = AppGroup("uncertain", help="Messages whose fate is unknown.")
    group.add_command(uncertain)
    ids = click.argument("message_ids", type=int, nargs=-1, metavar="[MESSAGE]...")
    issue = click.option("--issue", "issue_id", type=int, help="Of this issue.")
    everything = click.option("--all", "everything", is_flag=True, help="All uncertain messages of the issue.")
    add(uncertain, "list", list_uncertain, issue, reads=True)
    add(
        uncertain,
        "settle",
        settle,
        ids,
        issue,
        everything,
        click.option("--sent", "as_", flag_value="sent", help="They arrived."),
        click.option("--bounced", "as_", flag_value="bounced", help="They were refused."),
        click.option("--note", default="", help="How you know."),
    )
    yes = click.option("--yes", is_flag=True, help="Do not ask.")
    add(uncertain, "resend", resend, ids, issue, everything, yes)


def list_uncertain(*, issue_id: int | None) -> Answer:
    """List the messages whose fate is unknown, one by one."""
    run_id = None if issue_id is None else _run_id(issue_id)
    rows = [_row(message) for message in doubts.listed(run_id=run_id)]
    lines = [f"{row['message']:>8}  {row['address']}  {row['reply']}" for row in rows]
    return Answer({"uncertain": rows}, lines or ["None."])


def settle(
    *, message_ids: tuple[int, ...], issue_id: int | None, everything: bool, as_: str | None, note: str
) -> Answer:
    """Say what became of uncertain messages: --sent or --bounced. It is kept in the audit."""
    if as_ is None:
        raise errors.BadInput("Say --sent or --bounced.")
    chosen = _chosen(message_ids, issue_id, everything=everything)
    evidence = f"settled by an editor{f': {note}' if note else ''}"
    return _told(
        editors_word.settle(chosen, as_=MessageState(as_), evidence=evidence, actor=ACTOR), f"settled as {as_}"
    )


def resend(*, message_ids: tuple[int, ...], issue_id: int | None, everything: bool, yes: bool) -> Answer:
    """Send uncertain messages again: whoever had received one gets it twice. It is kept in the audit."""
    chosen = _chosen(message_ids, issue_id, everything=everything)
    db.session.rollback()  # nobody waits for our answer with the database locked
    question = f"Send {len(chosen):,} again? Readers who have received theirs get a second copy."
    if chosen and not yes and not click.confirm(question, err=True):
        raise errors.Conflict("Nothing was sent.")
    return _told(editors_word.resend(chosen, actor=ACTOR), "queued again")


def _chosen(message_ids: tuple[int, ...], issue_id: int | None, *, everything: bool) -> list[int]:
    if bool(message_ids) == everything or everything != (issue_id is not None):
        raise errors.BadInput("Name the messages, or all of an issue: --issue ISSUE --all.")
    if issue_id is None:
        return list(message_ids)
    return [message.id for message in doubts.listed(run_id=_run_id(issue_id))]


def _run_id(issue_id: int) -> int:
    issue = db.session.get(Issue, issue_id)
    run = runs.find(issue) if issue else None
    if run is None:
        raise errors.NotFound(f"There is no issue {issue_id} that was sent.")
    return run.id


def _row(message: Message) -> dict[str, Any]:
    return {
        "message": message.id,
        "run": message.run_id,
        "address": message.address,
        "message_id": message.message_id,
        "since": message.settled_at,
        "reply": message.last_reply,
    }


def _told(outcome: editors_word.Outcome, done: str) -> Answer:
    lines = [f"{len(outcome.moved):,} {done}."]
    lines += [f"Message {message_id} stays as it is: {reason}." for message_id, reason in outcome.stayed.items()]
    stayed = [{"message": message_id, "reason": reason} for message_id, reason in outcome.stayed.items()]
    return Answer({"moved": outcome.moved, "stayed": stayed}, lines, is_well=bool(outcome.moved) or not outcome.stayed)
