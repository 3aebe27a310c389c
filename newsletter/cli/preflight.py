"""The command that looks an issue through before it goes."""

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.cli.answers import Answer, add
from newsletter.issues import agenda, preflight
from newsletter.issues.findings import Finding


def register(issue: AppGroup) -> None:
    """Add the command to the group of issues."""
    add(issue, "preflight", look, click.argument("issue_id", type=int, metavar="ISSUE"))


def look(*, issue_id: int) -> Answer:
    """Look an issue's finished mails through and ask its links; fails where something keeps it from going."""
    if not preflight.look_through(agenda.get(issue_id).id):
        raise errors.Conflict("Only an issue that has not been sent can be looked through.")
    preflight.run(issue_id)
    report = preflight.exactly(agenda.get(issue_id))
    db.session.rollback()
    data = {
        "issue": issue_id,
        "state": report.state,
        "blocks": [finding.value() for finding in report.blocks],
        "warnings": [finding.value() for finding in report.warnings],
        "links": {"total": report.links, "checked": report.links_checked},
        "editions": list(report.mails),
    }
    lines = [_line(finding) for finding in report.findings]
    found = f"{len(report.blocks)} to mend, {len(report.warnings)} to look at"
    counted = f"Issue {issue_id}: {found}, {report.links_checked} of {report.links} links checked."
    return Answer(data, [*lines, counted], is_well=not report.blocks)


def _line(finding: Finding) -> str:
    places = ", ".join(place.name for place in finding.places)
    return f"{finding.level.value}: {finding.said}" + (f" ({places})" if places else "")
