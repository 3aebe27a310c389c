"""Commands for an editor's hand on an open issue."""

import dataclasses
from collections.abc import Callable

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.articles.models import Article
from newsletter.cli.answers import ACTOR, Answer, Parameter, add, counted
from newsletter.issues import agenda, arrivals, editing, lifecycle
from newsletter.issues.editing import Hand, Words
from newsletter.issues.models import OPEN_ISSUES, Issue

_ISSUE = click.argument("issue_id", type=int, metavar="ISSUE")
_HAND = Hand(ACTOR)
_ACTS = {
    "drop": editing.drop,
    "take-back": editing.take_back,
    "pin": editing.pin,
    "unpin": editing.unpin,
}


def register(issue: AppGroup) -> None:
    """Add the commands to the group of issues."""
    articles = click.argument("article_ids", type=int, nargs=-1, metavar="ARTICLE...")
    every = click.option("--all", "everything", is_flag=True, help="Every later arrival there is.")
    add(issue, "arrivals", list_arrivals, _ISSUE, reads=True)
    rest = click.option("--leave-others", is_flag=True, help="Leave out the other arrivals that are listed, for good.")
    add(issue, "take", take, _ISSUE, articles, every, rest)
    add(issue, "leave", leave, _ISSUE, articles, every)
    article = click.argument("article_id", type=int, metavar="ARTICLE")
    for name, act in _ACTS.items():
        add(issue, name, _one_story(act), _ISSUE, article)
    add(issue, "move", move, _ISSUE, article, click.option("--to", type=int, required=True, help="Its place, from 1."))
    add(issue, "reword", reword, _ISSUE, article, *_texts("headline", "dek"))
    add(issue, "words", words, _ISSUE, *_texts("subject", "preheader", "intro"))
    add(issue, "undo-change", undo_change, _ISSUE)


def list_arrivals(*, issue_id: int) -> Answer:
    """List what became ready after an open issue was composed."""
    issue = _open(issue_id)
    found, count = arrivals.waiting(issue), arrivals.count(issue)
    lines = [_line(each) for each in found] + (
        [f"... and {counted(count - len(found), 'more')}"] * (count > len(found))
    )
    data = {"issue": issue_id, "count": count, "arrivals": [{"article": a.id, "headline": a.headline} for a in found]}
    return Answer(data, lines or ["Nothing has arrived since."])


def take(*, issue_id: int, article_ids: tuple[int, ...], everything: bool, leave_others: bool) -> Answer:
    """Take later arrivals into an issue; an approved one becomes a draft again."""
    issue = _open(issue_id)
    listed = [each.id for each in arrivals.waiting(issue)] if leave_others else []
    named = _named(issue, article_ids, everything=everything)
    taken, left = arrivals.choose(issue, named, _HAND, among=listed)
    return _decided(issue, taken=taken, left=left)


def leave(*, issue_id: int, article_ids: tuple[int, ...], everything: bool) -> Answer:
    """Leave later arrivals out of the newsletter, now and later."""
    issue = _open(issue_id)
    found = arrivals.leave(issue, _named(issue, article_ids, everything=everything), _HAND)
    return _decided(issue, left=found)


def move(*, issue_id: int, article_id: int, to: int) -> Answer:
    """Move a story to a place among those that stand."""
    issue = agenda.get(issue_id)
    editing.move(issue, article_id, to=to, hand=_HAND)
    return _stories(issue)


def reword(*, issue_id: int, article_id: int, headline: str | None, dek: str | None) -> Answer:
    """Give a story another headline or dek in this issue; an empty one is the article's own again."""
    issue = agenda.get(issue_id)
    entry = next((each for each in issue.entries if each.article_id == article_id), None)
    own = (entry.headline, entry.dek) if entry else ("", "")
    texts = {"headline": own[0] if headline is None else headline, "dek": own[1] if dek is None else dek}
    editing.reword(issue, article_id, **texts, hand=_HAND)
    return _stories(issue)


def words(*, issue_id: int, subject: str | None, preheader: str | None, intro: str | None) -> Answer:
    """Set an issue's subject, preview line or introduction; an empty one is left to the stories."""
    issue = agenda.get(issue_id)
    own = {"subject": issue.subject, "preheader": issue.preheader, "intro": issue.intro}
    given = {"subject": subject, "preheader": preheader, "intro": intro}
    chosen = Words(**{name: own[name] if text is None else text for name, text in given.items()})
    editing.word(issue, chosen, _HAND)
    return Answer({"issue": issue_id, "state": lifecycle.shown_state(issue), **dataclasses.asdict(chosen)}, ["Saved."])


def undo_change(*, issue_id: int) -> Answer:
    """Undo the last change to an open issue."""
    label = editing.undo(agenda.get(issue_id), _HAND)
    return Answer({"issue": issue_id, "undone": label}, [f"Undone: {label}."])


def _one_story(act: Callable[[Issue, int, Hand], None]) -> Callable[..., Answer]:
    """The command that does this to one story."""

    def run(*, issue_id: int, article_id: int) -> Answer:
        issue = agenda.get(issue_id)
        act(issue, article_id, _HAND)
        return _stories(issue)

    run.__doc__ = act.__doc__
    return run


def _texts(*names: str) -> list[Parameter]:
    return [click.option(f"--{name}") for name in names]


def _stories(issue: Issue) -> Answer:
    db.session.flush()
    rows = [
        {"article": each.article_id, "headline": each.headline or each.article.headline, "pinned": each.is_pinned}
        for each in issue.stories
    ]
    lines = [f"{place:>3}  {row['article']:>6}  {row['headline']}" for place, row in enumerate(rows, 1)]
    return Answer({"issue": issue.id, "state": lifecycle.shown_state(issue), "stories": rows}, lines)


def _open(issue_id: int) -> Issue:
    issue = agenda.get(issue_id)
    if issue.state not in OPEN_ISSUES:
        raise errors.Conflict(f"This issue is {lifecycle.shown_state(issue)}: it can no longer be changed.")
    return issue


def _named(issue: Issue, article_ids: tuple[int, ...], *, everything: bool) -> list[int]:
    if everything == bool(article_ids):
        raise errors.BadInput("Name the articles, or say --all.", field="article")
    return [each.id for each in arrivals.waiting(issue)] if everything else list(article_ids)


def _decided(issue: Issue, **decided: list[Article]) -> Answer:
    db.session.flush()
    ids = {what: [each.id for each in found] for what, found in decided.items()}
    data = {"issue": issue.id, "state": lifecycle.shown_state(issue), **ids, "waiting": arrivals.count(issue)}
    return Answer(data, [f"{what.title()}: {_line(each)}" for what, found in decided.items() for each in found])


def _line(article: Article) -> str:
    return f"{article.id:>6}  {article.headline}"
