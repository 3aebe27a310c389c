"""Commands for an editor's hand on an open issue."""

from typing import cast

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.articles.models import Article
from newsletter.cli.answers import ACTOR, Answer, add, counted
from newsletter.issues import agenda, arrivals, lifecycle
from newsletter.issues.editing import Hand
from newsletter.issues.models import Issue

_ISSUE = click.argument("issue_id", type=int, metavar="ISSUE")
_HAND = Hand(ACTOR)


def register(group: AppGroup) -> None:
    """Add the commands to `issue`."""
    issue = cast("AppGroup", group.commands["issue"])
    articles = click.argument("article_ids", type=int, nargs=-1, metavar="ARTICLE...")
    every = click.option("--all", "everything", is_flag=True, help="Every later arrival there is.")
    add(issue, "arrivals", list_arrivals, _ISSUE, reads=True)
    add(issue, "take", take, _ISSUE, articles, every)
    add(issue, "leave", leave, _ISSUE, articles, every)


def list_arrivals(*, issue_id: int) -> Answer:
    """List what became ready after an open issue was composed."""
    issue = _open(issue_id)
    found, count = arrivals.waiting(issue), arrivals.count(issue)
    lines = [_line(each) for each in found] + (
        [f"... and {counted(count - len(found), 'more')}"] * (count > len(found))
    )
    data = {"issue": issue_id, "count": count, "arrivals": [{"article": a.id, "headline": a.headline} for a in found]}
    return Answer(data, lines or ["Nothing has arrived since."])


def take(*, issue_id: int, article_ids: tuple[int, ...], everything: bool) -> Answer:
    """Take later arrivals into an issue; an approved one becomes a draft again."""
    issue = _open(issue_id)
    found = arrivals.take(issue, _named(issue, article_ids, everything=everything), _HAND)
    return _decided(issue, "taken", found)


def leave(*, issue_id: int, article_ids: tuple[int, ...], everything: bool) -> Answer:
    """Leave later arrivals out of the newsletter, now and later."""
    issue = _open(issue_id)
    found = arrivals.leave(issue, _named(issue, article_ids, everything=everything), _HAND)
    return _decided(issue, "left", found)


def _open(issue_id: int) -> Issue:
    issue = agenda.get(issue_id)
    if issue.state not in lifecycle.OPEN:
        raise errors.Conflict(f"This issue is {lifecycle.shown_state(issue)}: it can no longer be changed.")
    return issue


def _named(issue: Issue, article_ids: tuple[int, ...], *, everything: bool) -> list[int]:
    if everything == bool(article_ids):
        raise errors.BadInput("Name the articles, or say --all.", field="article")
    return [each.id for each in arrivals.waiting(issue)] if everything else list(article_ids)


def _decided(issue: Issue, what: str, found: list[Article]) -> Answer:
    db.session.flush()
    data = {"issue": issue.id, "state": lifecycle.shown_state(issue), what: [each.id for each in found]}
    return Answer(data | {"waiting": arrivals.count(issue)}, [f"{what.title()}: {_line(each)}" for each in found])


def _line(article: Article) -> str:
    return f"{article.id:>6}  {article.headline}"
