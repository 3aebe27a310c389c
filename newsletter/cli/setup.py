"""Commands that set a database up: init, demo, check, copy."""

from collections.abc import Sequence

import click
from flask.cli import AppGroup

from newsletter import copying, db, invariants, schema, settings
from newsletter.cli.answers import Answer, add
from newsletter.demo import loading
from newsletter.publication import legal


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    add(group, "init", init, bare=True)
    add(group, "demo", demo, click.option("--remove", is_flag=True, help="Take the sample magazine away again."))
    add(group, "check", check, reads=True)
    add(group, "copy", copy, click.argument("url"))


def init() -> Answer:
    """Bring the database to the newest schema; harmless twice."""
    changed = schema.upgrade()
    if settings.current().is_development:
        legal.publish_placeholders()
    return Answer({"migrated": changed}, ["The database is ready." if changed else "The database was ready already."])


def demo(*, remove: bool) -> Answer:
    """Load the sample magazine, or take it away."""
    if remove:
        removed = loading.remove()
        return Answer({"removed": removed}, ["The sample magazine was taken away."])
    loaded = loading.load()
    return Answer({"loaded": loaded}, [f"{count:>6,} {name}" for name, count in loaded.items()])


def copy(*, url: str) -> Answer:
    """Copy everything into the empty database at URL, as when leaving SQLite; issues under way are paused there."""
    db.session.rollback()
    counts = copying.copy(url, lambda name, count: click.echo(f"{count:>10,} {name}", err=True))
    return Answer({"copied": counts}, [f"{sum(counts.values()):,} rows copied, and found the same on both sides."])


def check() -> Answer:
    """Check the delivery invariants on the live database; reads only."""
    db.session.rollback()
    findings = invariants.check()
    broken = [finding for finding in findings if finding.offenders]
    lines = [
        f"{'BROKEN' if finding.offenders else 'ok    '}  {finding.rule.name:<5} {finding.rule.promise}"
        + (f" Broken by {finding.rule.who} {_named(finding.offenders)}." if finding.offenders else "")
        for finding in findings
    ]
    data = {
        "checked": len(findings),
        "broken": [
            {"rule": finding.rule.name, "who": finding.rule.who, "offenders": list(finding.offenders)}
            for finding in broken
        ],
    }
    return Answer(data, lines, is_well=not broken)


def _named(offenders: Sequence[str]) -> str:
    return ", ".join(offenders) + (" and perhaps others" if len(offenders) == invariants.LISTED else "")
