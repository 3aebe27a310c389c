"""Commands for the people who read."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
from flask.cli import AppGroup

from newsletter import errors
from newsletter.audience import consent, directory, importing, proofs
from newsletter.audience.models import Subscriber
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.outbox import suppression
from newsletter.privacy import endings, erase


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    subscriber = AppGroup("subscriber", help="The people who read.")
    group.add_command(subscriber)
    file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    add(
        subscriber,
        "import",
        import_subscribers,
        file,
        click.option("--newsletter", "newsletters", multiple=True, help="Where the file names none."),
        click.option("--topic", "topics", multiple=True, help="Where the file names none."),
        click.option("--dry-run", "is_dry", is_flag=True, help="Change nothing; say what would come of it."),
    )
    as_document = click.option(
        "--document", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to print into this file."
    )
    add(subscriber, "proof", proof, click.argument("address"), as_document, reads=True)
    only = click.option("--newsletter", default="", help="Only what they take of this one; else everything.")
    reason = click.option("--reason", required=True, help="Why it ends; kept with the proof.")
    add(subscriber, "end", end, click.argument("address"), only, reason)
    add(subscriber, "erase", erase_reader, click.argument("address"))


def import_subscribers(*, file: Path, newsletters: tuple[str, ...], topics: tuple[str, ...], is_dry: bool) -> Answer:
    """Import readers from a CSV file, ours or another product's export; refused rows are listed, good rows stand."""
    with _opened(file) as stream:
        report = importing.import_csv(stream, importing.Choice(newsletters, topics), is_dry=is_dry)
    lines = [
        f"{report.new} new, {report.updated} updated, {report.to_reconfirm} to re-confirm.",
        f"{len(report.refused)} refused{':' if report.refused else '.'}",
        *(f"  line {line}: {reason}" for line, reason in report.refused),
    ]
    data = {
        "dry_run": is_dry,
        "new": report.new,
        "updated": report.updated,
        "to_reconfirm": report.to_reconfirm,
        "stopped": report.stopped,
        "refused": [{"line": line, "reason": reason} for line, reason in report.refused],
    }
    return Answer(data, lines)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """A file that can be read twice, as importing does; what comes through a pipe (/dev/stdin) is kept meanwhile."""
    with file.open("rb") as stream, tempfile.TemporaryFile() as kept:
        if stream.seekable():
            yield stream
            return
        shutil.copyfileobj(stream, kept)
        kept.seek(0)
        yield kept


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


def end(*, address: str, newsletter: str, reason: str) -> Answer:
    """End what one reader takes because they asked; no link in a mail takes it back."""
    reader = _reader(address)
    ended = endings.end(reader.id, reason, newsletter=newsletter, actor=ACTOR)
    return Answer({"reader": reader.id, "ended": ended}, [f"Ended: {', '.join(ended)}."])


def erase_reader(*, address: str) -> Answer:
    """Erase one reader who asked for it, at once and for good; the consent chain stays, without who it was."""
    reader_id = _reader(address).id
    erase.erase_at_wish(reader_id, address, actor=ACTOR)
    return Answer({"reader": reader_id, "erased": True}, ["Everything about this reader is erased."])


def _reader(address: str) -> Subscriber:
    reader = directory.find(suppression.key_of(address))
    if reader is None:
        raise errors.NotFound("There is no reader of this address.")
    return reader
