"""Commands for what is wrong after an approval: withdraw or correct an article, write to who had it."""

from typing import TextIO

import click
from flask.cli import AppGroup

from newsletter.articles import catalogue, correcting
from newsletter.articles.correcting import Words
from newsletter.cli.answers import ACTOR, Answer, add, counted
from newsletter.issues import amending, composing, corrections, editing, notes
from newsletter.issues.corrections import Touched
from newsletter.issues.editing import Hand

_HAND = Hand(ACTOR)


def register(article: AppGroup) -> None:
    """Add the commands to the group of articles."""
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


def _touched(article_id: int, found: list[Touched], lines: list[str], **more: int) -> Answer:
    rows = []
    for each in found:
        row = {"issue": each.issue.id, "newsletter": each.issue.newsletter.slug, "number": each.issue.number}
        rows.append(row | {"state": each.state, **vars(amending.reach(each.issue, article_id))})
    lines += [f"  {each}" for each in found] or ["  It stands in no issue."]
    return Answer({"article": article_id, "issues": rows, **more}, lines)
