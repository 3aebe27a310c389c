"""Commands for the addresses that are not written to: listed, added to, lifted."""

from typing import Any

import click
from flask.cli import AppGroup

from newsletter import errors
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.outbox import suppression
from newsletter.outbox.models import Suppression, SuppressionReason
from newsletter.privacy import blocks


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    suppressions = AppGroup("suppression", help="The addresses that are not written to.")
    group.add_command(suppressions)
    add(
        suppressions,
        "list",
        list_suppressions,
        click.argument("address", required=False),
        click.option("--reason", type=click.Choice([each.value for each in SuppressionReason]), default=None),
        click.option("--lifted", is_flag=True, help="Those that were lifted instead."),
        click.option("--before", type=int, help="Only those older than this number."),
        reads=True,
    )
    note = click.option("--note", default="", help="How its owner asked.")
    add(suppressions, "add", stop, click.argument("address"), note)
    reason = click.option("--reason", required=True, help="Why mail may go there again; kept in the audit log.")
    add(suppressions, "lift", lift, click.argument("address"), reason)


def list_suppressions(*, address: str | None, reason: str | None, lifted: bool, before: int | None) -> Answer:
    """List the suppressed addresses, newest first: all, or those with a part in them; an erased one by all of it."""
    found = suppression.listed(words=address or "", reason=reason or "", in_force=not lifted, before=before)
    return Answer({"suppressions": [_row(each) for each in found]}, [_line(each) for each in found] or ["None."])


def stop(*, address: str, note: str) -> Answer:
    """Never write to an address again, because its owner asked."""
    made, is_new = blocks.stop(address, note, actor=ACTOR)
    return Answer(_row(made) | {"new": is_new}, [_line(made)])


def lift(*, address: str, reason: str) -> Answer:
    """Allow mail to an address again."""
    present = suppression.find(address)
    if present is None:
        raise errors.NotFound("Nothing stops mail to this address.")
    return Answer(_row(blocks.lift(present, reason, actor=ACTOR)), ["This is lifted."])


def _row(each: Suppression) -> dict[str, Any]:
    return {
        "suppression": each.id,
        "address": each.address,
        "reason": each.reason,
        "since": each.created_at,
        "lifted_at": each.lifted_at,
        "note": each.note,
    }


def _line(each: Suppression) -> str:
    shown = each.address or f"erased {each.digest[:12]}"
    return f"{each.id:>6}  {shown}  {each.reason.value}  {each.created_at:%Y-%m-%d}  {each.note}".rstrip()
