"""Commands for the people: subscribers and editors."""

from pathlib import Path

import click
from flask.cli import AppGroup

from newsletter import settings
from newsletter.audience import consent, importing, proofs
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.staff import audit, editors
from newsletter.staff.models import Role


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    subscriber = AppGroup("subscriber", help="The people who read.")
    editor = AppGroup("editor", help="The people who work here.")
    group.add_command(subscriber)
    group.add_command(editor)
    file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    add(subscriber, "import", import_subscribers, file)
    as_document = click.option(
        "--document", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to print into this file."
    )
    add(subscriber, "proof", proof, click.argument("address"), as_document, reads=True)
    role = click.option("--role", type=click.Choice([each.value for each in Role]), default="editor", show_default=True)
    add(editor, "add", add_editor, click.argument("address"), role, click.option("--name", default=""))


def import_subscribers(*, file: Path) -> Answer:
    """Import readers from a CSV file; refused rows are listed by line, good rows stand."""
    with file.open("rb") as stream:
        report = importing.import_csv(stream)
    lines = [
        f"{report.new} new, {report.updated} updated, {report.to_reconfirm} to re-confirm.",
        f"{len(report.refused)} refused{':' if report.refused else '.'}",
        *(f"  line {line}: {reason}" for line, reason in report.refused),
    ]
    data = {
        "new": report.new,
        "updated": report.updated,
        "to_reconfirm": report.to_reconfirm,
        "refused": [{"line": line, "reason": reason} for line, reason in report.refused],
    }
    return Answer(data, lines)


def proof(*, address: str, document: Path | None) -> Answer:
    """Show everything one address agreed to, when, and how; the desk shows the same."""
    found = consent.proof(address)
    if document is not None:
        document.write_text(proofs.document(address), encoding="utf-8")
    lines = [f"{found['address']}: {found['state']}"]
    lines += [f"  {each['newsletter']}:{each['topic']} {each['state']}" for each in found["subscriptions"]]
    for record in found["records"]:
        lines.append(f"  {record['at']} {record['kind']} by {record['channel']}: {', '.join(record['wishes'])}")
        if record["sentence"]:
            lines.append(f"    “{record['sentence']}”")
    whole = found["chain"]["is_whole"]
    lines.append(f"  The chain is {'whole' if whole else 'BROKEN: ' + '; '.join(found['chain']['problems'])}.")
    return Answer(found, lines)


def add_editor(*, address: str, role: str, name: str) -> Answer:
    """Add an editor, or make a new link for one; prints a one-time link."""
    editor, token = editors.add(address, Role(role), name=name)
    audit.record(ACTOR, "editor_invited", f"editor {editor.id}", before={}, after={"role": role})
    link = f"{settings.current().base_url}/admin/setup/{token}"
    return Answer({"editor": editor.id, "role": editor.role, "link": link}, [f"{link}  (opens once)"])
