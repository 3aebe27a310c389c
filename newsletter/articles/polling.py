"""Polling a feed: look, fetch, keep; a job that owns its transactions, because no network may stand inside one."""

from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from newsletter import clock, db, errors, fetching, settings
from newsletter.articles import feeds, publishing, reading
from newsletter.articles.models import Feed
from newsletter.articles.publishing import Draft, Outcome
from newsletter.articles.reading import Document
from newsletter.fetching import Fetched

log = structlog.get_logger()

_ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"
_LONGEST_ERROR = 500  # characters
_LONGEST_WAIT = timedelta(hours=6)


@dataclass
class Report:
    """What one poll did: counts of items, sentences about what could not be read, and why it failed if it did."""

    feed_id: int | None = None
    new: int = 0
    updated: int = 0
    same: int = 0
    is_unchanged: bool = False
    problems: list[str] = field(default_factory=list)
    error: str = ""

    def count(self, outcome: Outcome) -> None:
        """Count one item."""
        self.new += outcome is Outcome.NEW
        self.updated += outcome is Outcome.UPDATED
        self.same += outcome is Outcome.SAME


def poll(feed_id: int) -> Report:
    """Fetch a feed and keep what is in it; what went wrong stands in the report and on the feed, in sentences.

    Owns its transactions, one an article: two polls at once neither wait long for nor deadlock with each other.
    """
    feed = feeds.get(feed_id)
    url, language, etag, last_modified = feed.url, feed.language, feed.etag, feed.last_modified
    # Before the fetch, so that no other scheduler begins one meanwhile.
    feed.next_fetch_at = clock.now() + settings.current().feed_interval
    db.session.commit()
    report = Report(feed_id)
    try:
        fetched, document = look(url, language=language, etag=etag, last_modified=last_modified)
    except errors.NewsletterError as error:
        report.error = error.message
        _record_failure(feed_id, error.message)
        return report
    _keep(feed_id, fetched, document, report)
    return report


def look(url: str, *, language: str, etag: str = "", last_modified: str = "") -> tuple[Fetched, Document | None]:
    """What stands at a feed's address, None when nothing new does; no database. Raises FetchRefused or BadInput."""
    fetched = fetching.get(url, etag=etag, last_modified=last_modified, accept=_ACCEPT)
    if fetched.status == 304:
        return fetched, None
    return fetched, reading.read(fetched.content, content_type=fetched.content_type, url=fetched.url, language=language)


def keep(draft: Draft, report: Report, *, feed: Feed | None = None, first_fetch: bool = False) -> None:
    """Publish a draft and count it; one that cannot be kept is a problem of the report, no error. Flushes."""
    try:
        report.count(publishing.publish(draft, feed=feed, first_fetch=first_fetch).outcome)
    except errors.NewsletterError as error:
        report.problems.append(f"“{draft.headline[:80]}” was left out: {error.message}")


def _keep(feed_id: int, fetched: Fetched, document: Document | None, report: Report) -> None:
    first_fetch = feeds.get(feed_id).first_fetched_at is None
    if document is None:
        report.is_unchanged = True
    else:
        report.problems += document.problems
        for draft in document.drafts:
            keep(draft, report, feed=feeds.get(feed_id), first_fetch=first_fetch)
            db.session.commit()
    feed, now = feeds.get(feed_id), clock.now()
    if document is not None:
        feed.title = document.title or feed.title
        feed.etag, feed.last_modified = fetched.etag, fetched.last_modified
        feed.last_error = " ".join(report.problems)[:_LONGEST_ERROR]
    feed.first_fetched_at = feed.first_fetched_at or now
    feed.fetched_at, feed.failures = now, 0
    feed.next_fetch_at = now + settings.current().feed_interval
    db.session.commit()
    log.info("feed_polled", feed_id=feed_id, new=report.new, updated=report.updated, same=report.same)


def _record_failure(feed_id: int, sentence: str) -> None:
    feed, now = feeds.get(feed_id), clock.now()
    feed.failures += 1
    feed.fetched_at, feed.last_error = now, sentence
    feed.next_fetch_at = now + min(_LONGEST_WAIT, settings.current().feed_interval * 2 ** min(feed.failures, 8))
    db.session.commit()
    log.info("feed_failed", feed_id=feed_id, failures=feed.failures)
