"""One pass of what time asks for: issues opened, composed and released, feeds polled, the house swept.

The one-pass command does the work before it returns; the scheduler's timetable only finds it, and defers it as jobs.
Each step owns its transactions, and one that fails is logged and stops none of the others.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from newsletter import clock, db, errors, jobs
from newsletter.articles import feeds, pictures
from newsletter.audience import imports
from newsletter.issues import amending, counting, foresight, occurrences, planning, preflight, timekeeping
from newsletter.scheduler import sweep, work

log = structlog.get_logger()


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

    def take(self, polled: work.Polled) -> None:
        """Count what asking feeds brought."""
        self.feeds += [each.feed_id or 0 for each in polled.reports]
        self.new_articles += polled.new
        self.problems += [f"feed: {problem}" for problem in polled.problems]


def run() -> Report:
    """One whole pass, now. Issues come first: no feed, however slow, delays one that is ready."""
    report = Report()
    _issues(report)
    _poll_feeds(report)
    for import_id in _read(report, imports.waiting):
        with _step(report, imports.JOB, import_id=import_id):
            imports.work(import_id)
    tidy(report)
    _check_issues(report)
    return report


def defer_issues(report: Report) -> None:
    """Defer what is to be done for issues now. Opening and settling take no time, and are done at once."""
    for occurrence_id in _open_occurrences(report):
        _defer(report, "compose", occurrence_id=occurrence_id)
    _settle_drafts(report)
    for issue_id in _read(report, timekeeping.due):
        _defer(report, "release", issue_id=issue_id)
    for issue_id in _read(report, timekeeping.soon):
        _defer(report, "plan", issue_id=issue_id)
    for issue_id in _read(report, amending.waiting):
        _defer(report, "correct", issue_id=issue_id)
    for check in _CHECKS:
        for each in _read(report, check.due):
            _defer(report, check.job, **{check.of: each})


def defer_feeds(report: Report) -> None:
    """Defer the polls that are due, and the pictures still to be tried."""
    for feed_id in _read(report, feeds.due):
        _defer(report, "fetch_feed", feed_id=feed_id)
    if _read(report, pictures.waiting):
        _defer(report, "fetch_pictures")


def defer_imports(report: Report) -> None:
    """Defer the files of readers that are to be worked on."""
    for import_id in _read(report, imports.waiting):
        _defer(report, imports.JOB, import_id=import_id)


def tidy(report: Report) -> None:
    """Sweep: dead workers, expired messages, finished issues, unconfirmed sign-ups, full buckets."""
    for name, clean in sweep.STEPS.items():
        with _step(report, name):
            report.swept[name] = clean()


def _issues(report: Report) -> None:
    """Release what is ready; then open, compose, settle and release what has become due, and plan what soon will be."""
    _release_due(report)
    for occurrence_id in _open_occurrences(report):
        with _step(report, "compose", occurrence_id=occurrence_id):
            issue_id, polled = work.compose(occurrence_id)
            report.take(polled)
            report.composed += [] if issue_id is None else [issue_id]
    _settle_drafts(report)
    _release_due(report)
    for issue_id in _read(report, timekeeping.soon):
        with _step(report, "plan", issue_id=issue_id):
            planning.plan(issue_id)
    for issue_id in _read(report, amending.waiting):
        with _step(report, "correct", issue_id=issue_id):
            amending.carry_out(issue_id)


def _poll_feeds(report: Report) -> None:
    with _step(report, "feeds"):
        report.take(work.poll(_read(report, feeds.due)))
    with _step(report, "pictures"):
        report.pictures += pictures.fetch_missing()


def _check_issues(report: Report) -> None:
    """Last, as nobody's mail waits for it: the figures of open issues, what is wrong with them, links for the next."""
    for check in _CHECKS:
        for each in _read(report, check.due):
            with _step(report, check.job, **{check.of: each}):
                check.act(each)


class _Check(NamedTuple):
    """Something that is found out of issues beside the way they go: what is due, and the job of one id."""

    due: Callable[[datetime], list[int]]
    job: str
    of: str
    act: Callable[[int], None]


_CHECKS = (
    _Check(counting.due, counting.JOB, "issue_id", counting.count),
    _Check(preflight.due, preflight.JOB, "issue_id", preflight.run),
    _Check(foresight.due, foresight.JOB, "newsletter_id", foresight.check),
)


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


def _defer(report: Report, name: str, **ids: int) -> None:
    with _step(report, name, **ids):
        jobs.defer(name, **ids)
        db.session.commit()


def _open_occurrences(report: Report) -> list[int]:
    """Open the dates that are due; the occurrences that still wait for their issue."""
    waiting: list[int] = []
    with _step(report, "occurrences"):
        now = clock.now()
        timekeeping.tell_missed(occurrences.open_due(now))
        waiting = [each.id for each in occurrences.waiting(now)]
        db.session.commit()
    return waiting


def _settle_drafts(report: Report) -> None:
    with _step(report, "drafts"):
        report.warned += timekeeping.warn(clock.now())
        report.held += timekeeping.settle_drafts(clock.now())
        db.session.commit()


def _release_due(report: Report) -> None:
    for issue_id in _read(report, timekeeping.due):
        with _step(report, "release", issue_id=issue_id):
            if work.release(issue_id):
                report.released.append(issue_id)
