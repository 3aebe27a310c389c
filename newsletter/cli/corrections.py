"""Commands for what is wrong after an approval: withdraw or correct an article, and let its issues go on."""

import time
from typing import TextIO

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.articles import catalogue, correcting
from newsletter.articles.correcting import Words
from newsletter.cli.answers import ACTOR, Answer, add, counted
from newsletter.issues import agenda, amending, composing, corrections, editing, lifecycle, notes
from newsletter.issues.corrections import Touched
from newsletter.issues.editing import Hand

_HAND = Hand(ACTOR)
_PATIENCE = 30.0  # seconds a command waits for messages that are on the wire


def register(group: AppGroup) -> None:
    """Add the commands to the groups `article` and `issue`, which are there."""
    article, issue = group.commands["article"], group.commands["issue"]
    assert isinstance(article, AppGroup)  # noqa: S101 - for the type checker: the rooms' commands made them
    assert isinstance(issue, AppGroup)  # noqa: S101
    one, number = click.argument("article_id", type=int, metavar="ARTICLE"), click.argument("issue_id", type=int)
    add(article, "touched", touched, one, reads=True)
    add(article, "withdraw", withdraw, one, click.option("--reason", required=True, help="One sentence."))
    add(
        article,
        "correct",
        correct,
        one,
        click.option("--headline"),
        click.option("--dek"),
        click.option("--url", help="Where it is read."),
        click.option("--alt", help="Its picture in words."),
        click.option("--text", type=click.File(encoding="utf-8"), help="A file of Markdown; - reads standard input."),
        click.option("--reason", default="", help="One sentence."),
    )
    add(article, "let-go", let_go, one)
    add(
        article,
        "note",
        note,
        one,
        number,
        click.option("--subject", required=True),
        click.option("--text", type=click.File(encoding="utf-8"), required=True, help="A file of Markdown, or -."),
    )
    add(issue, "go-on", go_on, number)
    add(issue, "correct", carry_on, number, click.option("--stay-paused", is_flag=True, help="Do not go on by itself."))


def touched(*, article_id: int) -> Answer:
    """List the issues an article stands in, with who had it, has not yet, waits, may have had it."""
    article = catalogue.get(article_id)
    return _touched(article.id, corrections.touched(article.id), [f"“{article.headline}”"])


def withdraw(*, article_id: int, reason: str) -> Answer:
    """Take an article out of everything that has not left; approved issues are held, sending ones stop."""
    found = corrections.withdraw(article_id, reason=reason, hand=_HAND)
    return _touched(article_id, found, [f"Article {article_id} is withdrawn."])


def correct(
    *,
    article_id: int,
    headline: str | None,
    dek: str | None,
    url: str | None,
    alt: str | None,
    text: TextIO | None,
    reason: str,
) -> Answer:
    """Write an editor's words into an article; no feed overwrites them until they are let go."""
    words = Words(headline, dek, url, alt, text.read() if text else None)
    correction, found = corrections.correct(article_id, words, reason=reason, hand=_HAND)
    if correction is None:
        return Answer({"article": article_id, "correction": None, "issues": []}, ["It says so already."])
    return _touched(article_id, found, [f"Article {article_id} is corrected."], correction=correction.id)


def let_go(*, article_id: int) -> Answer:
    """Leave an article's words to its feed again: they come back with the next fetch."""
    correcting.let_go(correcting.get(article_id))
    return Answer({"article": article_id}, ["The feed's own words come back with its next fetch."])


def note(*, article_id: int, issue_id: int, subject: str, text: TextIO) -> Answer:
    """Write to those who had an article in an issue; approve and send it like any issue."""
    made = notes.write(article_id, issue_id, _HAND)
    editing.word(made, editing.Words(subject, intro=text.read().strip()), _HAND)
    found = composing.figures(made)
    data = {"issue": made.id, "readers": found.readers, "skipped": found.skipped}
    return Answer(data, [f"Issue {made.id}: a note to {counted(found.readers, 'reader')}. Approve it."])


def go_on(*, issue_id: int) -> Answer:
    """Open a held issue again without what was withdrawn, with lead and subject chosen anew; approve it then."""
    issue = amending.go_on(agenda.get(issue_id), _HAND)
    return Answer({"issue": issue.id, "state": issue.state}, [f"Issue {issue.id} is a draft, without it. Approve it."])


def carry_on(*, issue_id: int, stay_paused: bool) -> Answer:
    """Approve a paused issue's correction, change the mails that wait, and let it go on."""
    issue = agenda.get(issue_id)
    found = amending.proposal(issue)
    if found is None:
        raise errors.Conflict("No mail of this issue waits for a correction.")
    is_complete = found.is_under_way or amending.approve(issue, found.hash, _HAND, resumes=not stay_paused)
    db.session.commit()
    is_done, until = False, time.monotonic() + _PATIENCE
    while is_complete and not is_done and time.monotonic() < until:
        is_done = amending.carry_out(issue_id)
        time.sleep(0 if is_done else 0.2)
    state = lifecycle.shown_state(agenda.get(issue_id))
    data = {"issue": issue_id, "hash": found.hash, "approved": is_complete, "corrected": is_done, "state": state}
    if not is_complete:
        return Answer(data, ["Approved. The correction needs somebody else as well."])
    told = (
        f"Issue {issue_id} is corrected, and {state}."
        if is_done
        else "Some mails are on the wire; it is finished soon."
    )
    return Answer(data, [told])


def _touched(article_id: int, found: list[Touched], lines: list[str], **more: int) -> Answer:
    rows = []
    for each in found:
        row = {"issue": each.issue.id, "newsletter": each.issue.newsletter.slug, "number": each.issue.number}
        rows.append(row | {"state": each.state, **vars(amending.reach(each.issue, article_id))})
    lines += [f"  {each}" for each in found] or ["  It stands in no issue."]
    return Answer({"article": article_id, "issues": rows, **more}, lines)
