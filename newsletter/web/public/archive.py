"""Issues on the web: the list, one issue, and the feed."""

from datetime import UTC, datetime

from flask import Blueprint, Response, make_response, render_template
from markupsafe import Markup

from newsletter import settings
from newsletter.issues import archive
from newsletter.mail import digest, links, words
from newsletter.publication import newsletters
from newsletter.web import security
from newsletter.web.public import pages

blueprint = Blueprint("archive", __name__, url_prefix="/archive")

_LISTED = 20
_IN_FEED = 30
# When a feed without entries last changed: long ago.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@blueprint.get("")
def show() -> Response:
    """The latest issues of each public newsletter."""
    shelves = [{"newsletter": each, "issues": archive.issues(each, limit=_LISTED)} for each in newsletters.public()]
    filled = [shelf for shelf in shelves if shelf["issues"]]
    return pages.answer("archive.html", shelves=filled, title_of=archive.title, long_date=words.long_date)


@blueprint.get("/<slug>/<int:number>")
def show_issue(slug: str, number: int) -> Response:
    """One issue as anybody may read it."""
    view = archive.view(archive.find(slug, number))
    # Pictures are printed with the base URL, which need not be the host this page was asked for by.
    security.allow("img-src", f"'self' data: {settings.current().base_url}")
    # Escaped by the template that made it.
    body = Markup(digest.render_web(view))  # noqa: S704
    return pages.answer("issue.html", view=view, body=body)


@blueprint.get("/feed.xml")
def feed() -> Response:
    """The latest issues as an Atom feed (RFC 4287)."""
    issues = [issue for issue in archive.issues(limit=_IN_FEED) if issue.released_at]
    entries = [
        {
            "issue": issue,
            "title": archive.title(issue),
            "url": links.web_issue(issue.newsletter.slug, issue.number),
            "content": digest.render_web(archive.view(issue)),
        }
        for issue in issues
    ]
    body = render_template(
        "public/feed.xml", entries=entries, home=links.home(), base_url=settings.current().base_url, epoch=_EPOCH
    )
    response = make_response(body)
    response.mimetype = "application/atom+xml"
    return response
