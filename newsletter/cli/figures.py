"""The command for figures: growth, and what became of each issue."""

import click
from flask.cli import AppGroup

from newsletter.cli.answers import Answer, add, counted
from newsletter.feedback import growth, results
from newsletter.publication import newsletters


def register(group: AppGroup) -> None:
    """Add the command to the group."""
    add(
        group,
        "figures",
        show,
        click.option("--newsletter", default="", help="Of this newsletter alone."),
        click.option("--days", type=click.IntRange(1, 3650), default=7, show_default=True, help="Growth in this time."),
        click.option("--before", type=int, help="Only issues older than this number."),
        click.option("--limit", type=click.IntRange(1, 1000), default=results.PAGE, show_default=True),
        reads=True,
    )


def show(*, newsletter: str, days: int, before: int | None, limit: int) -> Answer:
    """Show how many read, came and left, and the figures of each issue, newest first."""
    if newsletter:
        newsletters.get(newsletter)
    grown = growth.lately(days, newsletter=newsletter)
    issues = results.page(newsletter=newsletter, before=before, limit=limit)
    data = {
        "counted_at": growth.counted_at(),
        "readers": grown.readers,
        "joined": grown.joined,
        "left": grown.left,
        "issues": [vars(each) for each in issues],
    }
    head = f"{counted(grown.readers, 'reader')}; {grown.joined:,} joined and {grown.left:,} left in {days} days."
    return Answer(data, [head, *(_line(each) for each in issues)])


def _line(each: results.Result) -> str:
    return (
        f"{each.issue_id:>6}  {each.newsletter} {each.number}  {each.released_at:%Y-%m-%d %H:%M} UTC  {each.state}: "
        f"{each.planned:,} planned, {each.accepted:,} accepted, {each.bounced:,} bounced, {each.deferred:,} deferred, "
        f"{each.uncertain:,} uncertain, {each.left:,} left after it"
    )
