"""The archive as Atom feeds (RFC 4287): of everything, of a newsletter, of a topic."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, make_response, render_template, request

from newsletter.issues import archive
from newsletter.issues.models import Issue
from newsletter.mail import digest, links
from newsletter.publication import masthead
from newsletter.web.public import archive as pages

blueprint = Blueprint("syndication", __name__)

_ENTRIES = 30
# When a feed without entries last changed: long ago.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# XML 1.0 2.2: what no document may hold, escaped or not.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Feed:
    """What stands above the entries; `path` is the page the feed follows, and with /feed.xml its own."""

    path: str
    title: str
    subtitle: str
    language: str


@blueprint.get("/archive/feed.xml")
def all_issues() -> Response:
    """The latest issues of every public newsletter."""
    present = masthead.current()
    feed = Feed("/archive", present.name, present.tagline, present.language)
    return _answer(feed, archive.issues(limit=_ENTRIES))


@blueprint.get("/archive/<slug>/feed.xml")
def newsletter_issues(slug: str) -> Response:
    """The latest issues of one newsletter."""
    newsletter = pages.public_newsletter(slug)
    title = f"{newsletter.title} · {masthead.current().name}"
    feed = Feed(f"/archive/{newsletter.slug}", title, newsletter.promise, newsletter.language)
    return _answer(feed, archive.issues(newsletter, limit=_ENTRIES))


@blueprint.get("/topics/<slug>/feed.xml")
def topic_issues(slug: str) -> Response:
    """The latest issues with something on one topic."""
    topic, present = pages.known_topic(slug), masthead.current()
    feed = Feed(f"/topics/{topic.slug}", f"{topic.name} · {present.name}", "", present.language)
    return _answer(feed, archive.issues(topic=topic, limit=_ENTRIES))


def _answer(feed: Feed, issues: list[Issue]) -> Response:
    found = [archive.published(issue) for issue in issues]
    entries = [
        {
            "published": each,
            "url": links.web_issue(each.issue.newsletter.slug, each.issue.number),
            "content": digest.render_web(each.view),
        }
        for each in found
    ]
    body = render_template(
        "public/feed.xml",
        feed=feed,
        entries=entries,
        page=links.page,
        updated_at=max((each.updated_at for each in found), default=_EPOCH),
        instant=lambda at: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    response = make_response(_NO_XML.sub("", body))
    response.mimetype = "application/atom+xml"
    # Readers of feeds ask again and again, mostly for nothing new.
    response.headers["Cache-Control"] = "public, max-age=300"
    response.add_etag()
    response.make_conditional(request)
    return response
