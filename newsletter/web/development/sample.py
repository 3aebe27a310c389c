"""The sample magazine's site, in development only: what a magazine's pages with our sign-up box look like."""

from collections.abc import Callable, Sequence

from flask import Blueprint, render_template

from newsletter.demo import shelf
from newsletter.demo.shelf import Piece
from newsletter.mail import words
from newsletter.publication import masthead
from newsletter.publication.models import Topic
from newsletter.web.public import forms

blueprint = Blueprint("sample", __name__)

_LATEST = 6


@blueprint.get("/sample")
def front() -> str:
    """The first page: the newest stories, then all the others by topic."""
    pieces = shelf.pieces()
    newest, rest = pieces[: 1 + _LATEST], pieces[1 + _LATEST :]
    return render_template(
        "development/sample_front.html",
        lead=newest[0],
        latest=newest[1:],
        shelves=[(topic, [piece for piece in rest if piece.topic is topic]) for topic in _topics(pieces)],
        topics=_topics(pieces),
        counters=_counters,
        label=_label(),
        box=forms.box(),
    )


@blueprint.get("/sample/<slug>")
def article(slug: str) -> str:
    """One article, with what to read next and the sign-up box for its topic."""
    pieces = shelf.pieces()
    piece = shelf.find(slug, pieces)
    language = masthead.current().language
    out_at = piece.article.published_at
    return render_template(
        "public/sample.html",
        piece=piece,
        dated=words.long_date(out_at, "UTC", language) if out_at else "",
        read_next=shelf.read_next(piece, pieces),
        more=shelf.more(piece, pieces),
        topics=_topics(pieces),
        counters=_counters,
        label=_label(),
        box=forms.box(piece.topic.slug),
    )


def _topics(pieces: Sequence[Piece]) -> list[Topic]:
    return sorted({piece.topic for piece in pieces}, key=lambda topic: topic.position)


def _label() -> Callable[[str], str]:
    present = masthead.current()
    return lambda key: masthead.label(present, key)


def _counters(piece: Piece) -> list[str]:
    """ "3,952 Hypes", "5 Comments"; nothing for zero."""
    label, found = _label(), []
    for name, number in (("hypes", piece.article.hypes), ("comments", piece.article.comments)):
        found.append(words.counted(number, label(f"{name}_one"), label(f"{name}_many")))
    return [counter for counter in found if counter]
