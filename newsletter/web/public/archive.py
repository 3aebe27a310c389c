"""Issues on the web: by newsletter, by topic, one by one."""

from datetime import datetime

from flask import Blueprint, Response, request
from markupsafe import Markup

from newsletter import errors, settings
from newsletter.issues import archive
from newsletter.issues.archive import Published
from newsletter.issues.models import Issue
from newsletter.mail import digest, links, words
from newsletter.publication import newsletters, topics
from newsletter.publication.models import Newsletter, Topic
from newsletter.web import languages, security
from newsletter.web.public import pages

blueprint = Blueprint("archive", __name__)

_ON_SHELF = 5
_ON_PAGE = 20


@blueprint.get("/archive")
def show() -> Response:
    """The latest issues of each public newsletter, and the topics."""
    shelves = [
        {"newsletter": each, "issues": _listed(archive.issues(each, limit=_ON_SHELF)), "count": archive.count(each)}
        for each in newsletters.public()
    ]
    filled = [shelf for shelf in shelves if shelf["issues"]]
    return pages.answer("archive.html", shelves=filled, topics=_carried() if filled else [])


@blueprint.get("/archive/<slug>")
def show_newsletter(slug: str) -> Response:
    """Every issue of one newsletter, newest first, a page at a time."""
    newsletter = public_newsletter(slug)
    found = archive.issues(newsletter, limit=_ON_PAGE + 1, before=_before())
    issues, older = found[:_ON_PAGE], found[_ON_PAGE - 1].id if len(found) > _ON_PAGE else None
    return pages.answer("archive_newsletter.html", newsletter=newsletter, issues=_listed(issues), older=older)


@blueprint.get("/topics/<slug>")
def show_topic(slug: str) -> Response:
    """What the issues brought on one topic."""
    topic = known_topic(slug)
    found = archive.issues(topic=topic, limit=_ON_PAGE + 1, before=_before())
    carried = [archive.carried(issue, topic) for issue in found[:_ON_PAGE]]
    return pages.answer(
        "archive_topic.html",
        topic=topic,
        carried=[each for each in carried if each.stories],
        older=found[_ON_PAGE - 1].id if len(found) > _ON_PAGE else None,
        dated=_dated,
    )


@blueprint.get("/archive/<slug>/<int:number>")
def show_issue(slug: str, number: int) -> Response:
    """One issue as anybody may read it."""
    # Larger numbers than a database stores were never given.
    found = archive.published(archive.find(slug, number if number < 1 << 31 else 0))
    # Pictures are printed with the base URL, which need not be the host this page was asked for by.
    security.allow("img-src", f"'self' data: {settings.current().base_url}")
    # Escaped by the template that made it.
    body = Markup(digest.render_web(found.view))  # noqa: S704
    return pages.answer("issue.html", published=found, view=found.view, body=body, corrected=_corrected(found))


def public_newsletter(slug: str) -> Newsletter:
    """A newsletter that visitors are offered; raises NotFound."""
    newsletter = newsletters.find(slug)
    if newsletter is None or not newsletter.is_public:
        raise errors.NotFound("There is no such newsletter.")
    return newsletter


def known_topic(slug: str) -> Topic:
    """A topic of a newsletter that visitors are offered; raises NotFound."""
    found = next((topic for topic in _carried() if topic.slug == slug), None)
    if found is None:
        raise errors.NotFound("There is no such topic.")
    return found


def _carried() -> list[Topic]:
    ids = {topic.id for newsletter in newsletters.public() for topic in newsletter.topics}
    return [topic for topic in topics.all() if topic.id in ids]


def _listed(issues: list[Issue]) -> list[dict[str, object]]:
    found = [archive.published(issue) for issue in issues]
    return [
        {
            "number": each.issue.number,
            "newsletter": each.issue.newsletter,
            "title": each.title,
            "dated_at": each.dated_at,
            "dated_on": _dated(each.dated_at, each.issue.newsletter),
            "url": links.path_of(links.web_issue(each.issue.newsletter.slug, each.issue.number)),
        }
        for each in found
    ]


def _dated(at: datetime, newsletter: Newsletter) -> str:
    return words.long_date(at, newsletter.zone, languages.spoken())


def _corrected(found: Published) -> str:
    return _dated(found.corrected_at, found.issue.newsletter) if found.corrected_at else ""


def _before() -> int | None:
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
