"""One pass of what time asks for: issues opened, composed and released, feeds polled, the house swept.

Each step owns its transactions, and one that fails is logged and stops none of the others.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import structlog
from flask import Flask, current_app

from newsletter import clock, db, errors, settings
from newsletter.articles import feeds, pictures, polling
from newsletter.issues import occurrences, planning, timekeeping
from newsletter.issues.models import Occurrence
from newsletter.scheduler import sweep

log = structlog.get_logger()

# A slow feed takes up to fetch_time; polled together, all of them take little longer than one.
_AT_ONCE = 4
_PICTURES = 25  # as many as a digest has stories


@dataclass
class Report:
    """What a pass did: ids of feeds and issues, counts of what was swept, sentences about what went wrong."""

    feeds: list[int] = field(default_factory=list)
    new_articles: int = 0
    pictures: int = 0
    composed: list[int] = field(default_factory=list)
    warned: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    swept: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """The report for a person."""
        named = {"Composed": self.composed, "Warned of": self.warned, "Held": self.held, "Released": self.released}
        told = [f"{verb} issue {', '.join(map(str, ids))}." for verb, ids in named.items() if ids]
        polled = [f"Polled {len(self.feeds)} feeds: {self.new_articles} new articles."] if self.feeds else []
        swept = [f"Swept {count} {name.replace('_', ' ')}." for name, count in self.swept.items() if count]
        return [*told, *polled, *swept, *self.problems] or ["Nothing was due."]


def run() -> Report:
    """One whole pass, now. Issues come first: no feed, however slow, delays one that is ready."""
    report = Report()
    issues(report)
    poll_feeds(report)
    tidy(report)
    return report


def issues(report: Report) -> None:
    """Release what is ready; then open, compose, settle and release what has become due, and plan what soon will be."""
    _release_due(report)
    _compose_due(report)
    with _step(report, "drafts"):
        report.warned += timekeeping.warn(clock.now())
        report.held += timekeeping.settle_drafts(clock.now())
        db.session.commit()
    _release_due(report)
    for issue_id in _read(report, timekeeping.soon):
        with _step(report, "plan", issue_id=issue_id):
            planning.plan(issue_id)


def poll_feeds(report: Report) -> None:
    """Poll the feeds that are due, and fetch pictures their articles name."""
    _poll(_read(report, feeds.due), report)
    with _step(report, "pictures"):
        report.pictures += pictures.fetch_missing()


def tidy(report: Report) -> None:
    """Sweep: dead workers, expired messages, finished issues, unconfirmed sign-ups, full buckets."""
    for name, clean in sweep.STEPS.items():
        with _step(report, name):
            report.swept[name] = clean()


class _step:  # noqa: N801 - reads as the statement it is
    """A step of the pass: begun and left without a transaction, its failure logged and kept in the report."""

    def __init__(self, report: Report, name: str, **ids: int) -> None:
        self.report, self.name, self.ids = report, name, ids

    def __enter__(self) -> None:
        db.session.rollback()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        db.session.rollback()
        if error is None or not isinstance(error, Exception):
            return False
        sentence = error.message if isinstance(error, errors.NewsletterError) else type(error).__name__
        # An expected refusal is a sentence; anything else needs its traceback.
        is_expected = isinstance(error, errors.NewsletterError)
        log.error(
            "tick_step_failed", step=self.name, reason=sentence, exc_info=None if is_expected else error, **self.ids
        )
        self.report.problems.append(f"{self.name}: {sentence}")
        return True


def _read(report: Report, find: Callable[[datetime], list[int]]) -> list[int]:
    """The ids a room finds due, and what it wrote while it looked committed."""
    found: list[int] = []
    with _step(report, find.__name__):
        found = find(clock.now())
        db.session.commit()
    return found


def _release_due(report: Report) -> None:
    for issue_id in _read(report, timekeeping.due):
        with _step(report, "release", issue_id=issue_id):
            if planning.release(issue_id):
                report.released.append(issue_id)
                log.info("issue_released", issue_id=issue_id)


def _compose_due(report: Report) -> None:
    waiting: list[int] = []
    with _step(report, "occurrences"):
        timekeeping.tell_missed(occurrences.open_due(clock.now()))
        waiting = [each.id for each in occurrences.waiting()]
        db.session.commit()
    for occurrence_id in waiting:
        with _step(report, "compose", occurrence_id=occurrence_id):
            _compose(occurrence_id, report)


def _compose(occurrence_id: int, report: Report) -> None:
    newsletter = occurrences.newsletter_of(db.session.get_one(Occurrence, occurrence_id))
    asked = timekeeping.feeds_to_ask(newsletter, clock.now())
    db.session.rollback()
    before = report.new_articles
    _poll(asked, report)
    _fetch_pictures(report.new_articles - before)
    occurrence = db.session.get_one(Occurrence, occurrence_id)
    issue = timekeeping.compose_for(occurrence, clock.now())
    db.session.commit()
    if issue is not None:
        report.composed.append(issue.id)
        log.info("issue_composed", issue_id=issue.id, occurrence_id=occurrence_id)


def _fetch_pictures(count: int) -> None:
    """Fetch the newest articles' pictures one by one, for no longer than one slow fetch: the issue is waiting."""
    until = clock.now() + settings.current().fetch_time
    for _ in range(min(count, _PICTURES)):
        if clock.now() < until:
            pictures.fetch_missing(limit=1)


def _poll(feed_ids: Sequence[int], report: Report) -> None:
    if not feed_ids:
        return
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def poll(feed_id: int) -> polling.Report | None:
        with app.app_context(), _step(report, "feed", feed_id=feed_id):
            return polling.poll(feed_id)
        return None

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="feed") as threads:
        for found in threads.map(poll, feed_ids):
            if found is not None:
                report.feeds.append(found.feed_id or 0)
                report.new_articles += found.new
