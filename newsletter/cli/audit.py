"""The command for the audit log: who changed what."""

from pathlib import Path

import click
from flask.cli import AppGroup

from newsletter.cli.answers import Answer, add, counted
from newsletter.staff import audit, audit_sheet
from newsletter.staff.models import AuditEntry


def register(group: AppGroup) -> None:
    """Add the command to the group."""
    add(
        group,
        "audit",
        show,
        click.option("--who", default="", help="A part of who did it."),
        click.option("--what", default="", help='A part of what was done, or to what, like "issue 42".'),
        click.option("--words", default="", help="Words in what was written down."),
        click.option("--before", type=int, help="Only lines older than this number."),
        click.option("--limit", type=click.IntRange(1, 1000), default=audit.PAGE, show_default=True),
        click.option(
            "--csv", "sheet", type=click.Path(dir_okay=False, path_type=Path), help="Write all into this file."
        ),
        reads=True,
    )


def show(*, who: str, what: str, words: str, before: int | None, limit: int, sheet: Path | None) -> Answer:
    """Show who changed what, newest first, or write all of it into a table for spreadsheets."""
    search = audit.Search(who, what, words)
    if sheet is not None:
        with sheet.open("w", encoding="utf-8", newline="") as file:
            count = sum(1 for line in audit_sheet.lines(search) if file.write(line)) - 1
        return Answer({"written": count}, [f"{counted(count, 'line')} in {sheet}."])
    found = audit.page(search, before=before, limit=limit)
    return Answer({"entries": [_row(entry) for entry in found]}, [_line(entry) for entry in found] or ["No line."])


def _row(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.id,
        "at": entry.at,
        "who": entry.actor,
        "what": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
    }


def _line(entry: AuditEntry) -> str:
    changed = "; ".join(
        f"{each.name}: {each.before or 'nothing'} -> {each.after or 'nothing'}" for each in audit.changes(entry)
    )
    when, what = f"{entry.at:%Y-%m-%d %H:%M} UTC", entry.action.replace("_", " ")
    return f"{entry.id:>6}  {when}  {entry.actor}  {what}, {entry.subject}  {changed}".rstrip()
