"""The first page: the newsletters, and the sign-up box."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request

from newsletter.issues import agenda, archive, calendar
from newsletter.mail import links, words
from newsletter.mail.digest import Image
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter
from newsletter.web import languages
from newsletter.web.public import forms, pages

blueprint = Blueprint("home", __name__)


@dataclass(frozen=True)
class Sample:
    """The latest issue, as a taste: its headline, picture and day."""

    number: int
    title: str
    on: str
    picture: Image | None


@dataclass(frozen=True)
class Offer:
    """A newsletter as a visitor weighs it."""

    newsletter: Newsletter
    often: str
    next_on: str
    topics: list[str]
    sample: Sample | None


@blueprint.get("/")
def show() -> Response:
    """What each newsletter promises, how often it comes, what it carries, and its latest issue."""
    due = {each.newsletter.id: each.due_at for each in agenda.coming()}
    offered = newsletters.public()
    carried = [[topic.name for topic in each.topics] for each in offered]
    # Where all carry the same, the form alone names the topics.
    is_varied = any(names != carried[0] for names in carried)
    offers = [
        _offer(newsletter, due[newsletter.id], names if is_varied else [])
        for newsletter, names in zip(offered, carried, strict=True)
    ]
    box = forms.box(request.args.get("topic", ""), newsletter_slug=request.args.get("newsletter", ""))
    return pages.answer("home.html", offers=offers, box=box)


def _offer(newsletter: Newsletter, due_at: datetime | None, topics: list[str]) -> Offer:
    language = languages.spoken()
    return Offer(
        newsletter,
        often=calendar.how_often(newsletter, language),
        next_on=words.long_date(due_at, newsletter.zone, language) if due_at and newsletter.days else "",
        topics=topics,
        sample=_sample(newsletter, language),
    )


def _sample(newsletter: Newsletter, language: str) -> Sample | None:
    issue = archive.latest(newsletter)
    if issue is None:
        return None
    found = archive.published(issue)
    return Sample(
        number=issue.number,
        title=found.title,
        on=words.long_date(found.dated_at, newsletter.zone, language),
        picture=_of_this_host(found.view.lead.picture) if found.view.lead else None,
    )


def _of_this_host(picture: Image | None) -> Image | None:
    """The same picture by its path: this page may be read under another name than the base URL's."""
    if picture is None:
        return None
    path = links.path_of(picture.url)
    return Image(path, picture.width, picture.height, picture.alt) if path.startswith("/") else None
