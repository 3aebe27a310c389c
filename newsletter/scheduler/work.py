"""What is done for issues and feeds when their time has come: each a job, or a step of the one-pass tick.

Every function owns its transactions, finds in the rows what is to be done, and is harmless twice.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from flask import Flask, current_app

from newsletter import clock, db, errors, jobs, milestones, settings
from newsletter.articles import feeds, pictures, polling
from newsletter.audience import imports
from newsletter.issues import amending, counting, foresight, occurrences, planning, preflight, timekeeping
from newsletter.issues.models import Occurrence
from newsletter.jobs import registry

log = structlog.get_logger()

_PICTURES = 25  # as many as a digest has stories


@dataclass
class Polled:
    """What asking some feeds brought: their reports, and sentences about those that could not be asked at all."""

    reports: list[polling.Report] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def new(self) -> int:
        return sum(report.new for report in self.reports)


def register() -> None:
    """Register the jobs the tick finds."""
    registry.register("compose", _compose_and_go_on, registry.ISSUES)
    registry.register("plan", planning.plan, registry.ISSUES)
    registry.register("release", release, registry.ISSUES)
    registry.register(counting.JOB, counting.count, registry.CHECKS)
    registry.register("correct", amending.carry_out, registry.ISSUES)
    registry.register(preflight.JOB, preflight.run, registry.CHECKS)
    registry.register(foresight.JOB, foresight.check, registry.CHECKS)
    registry.register("fetch_feed", _fetch_feed, registry.FEEDS)
    registry.register(imports.JOB, imports.work, registry.READERS)
    registry.register("fetch_pictures", pictures.fetch_missing, registry.FEEDS)


def compose(occurrence_id: int) -> tuple[int | None, Polled]:
    """Ask the newsletter's feeds, then give the occurrence its issue; its id, None where there is none to be made.

    The issue waits no longer than `compose_poll_time` for further feeds; those are asked when they are due.
    """
    newsletter = occurrences.newsletter_of(db.session.get_one(Occurrence, occurrence_id))
    asked = timekeeping.feeds_to_ask(newsletter, clock.now())
    db.session.rollback()
    polled = poll(asked, until=clock.now() + settings.current().compose_poll_time)
    _fetch_pictures(polled.new)
    occurrence = db.session.get_one(Occurrence, occurrence_id)
    issue = timekeeping.compose_for(occurrence, clock.now())
    db.session.commit()
    milestones.reached("tick.after_occurrence")
    if issue is None:
        return None, polled
    issue_id = issue.id
    log.info("issue_composed", issue_id=issue_id, occurrence_id=occurrence_id)
    # Before its draft is settled, so that nothing is rendered while the database waits.
    preflight.look_through(issue_id)
    return issue_id, polled


def release(issue_id: int) -> bool:
    """Plan what is left of the issue and let it go; False when that happened already."""
    is_released = planning.release(issue_id)
    if is_released:
        log.info("issue_released", issue_id=issue_id)
    return is_released


def poll(feed_ids: Sequence[int], *, until: datetime | None = None) -> Polled:
    """Poll feeds, several at a time, each for up to fetch_time; none is begun after `until`."""
    polled = Polled()
    if feed_ids:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        at_once = settings.current().feed_connections
        with ThreadPoolExecutor(at_once, thread_name_prefix="feed") as threads:
            for report, problem in threads.map(lambda feed_id: _poll_in_context(app, feed_id, until), feed_ids):
                polled.reports += [report] if report else []
                polled.problems += [problem] if problem else []
    return polled


def _compose_and_go_on(occurrence_id: int) -> None:
    """The job: an issue whose time has come when it is composed goes at once, not with the next tick."""
    issue_id, _ = compose(occurrence_id)
    if issue_id is not None:
        timekeeping.settle_drafts(clock.now())
        for due_id in timekeeping.due(clock.now()):
            jobs.defer("release", issue_id=due_id)
        db.session.commit()


def _fetch_feed(feed_id: int) -> None:
    """The job: one that comes late, after the feed was asked by somebody else, has nothing to do."""
    is_due = feed_id in feeds.due(clock.now())
    db.session.rollback()
    if is_due and polling.poll(feed_id).new:
        jobs.defer("fetch_pictures")
        db.session.commit()


def _fetch_pictures(count: int) -> None:
    """Fetch the newest articles' pictures one by one, for no longer than one slow fetch: the issue is waiting."""
    until = clock.now() + settings.current().fetch_time
    for _ in range(min(count, _PICTURES)):
        if clock.now() < until:
            pictures.fetch_missing(limit=1)


def _poll_in_context(app: Flask, feed_id: int, until: datetime | None) -> tuple[polling.Report | None, str]:
    if until is not None and clock.now() > until:
        return None, ""
    with app.app_context():
        try:
            return polling.poll(feed_id), ""
        except Exception as error:
            # One feed's trouble is no reason to leave out the others, or the issue.
            log.exception("feed_not_polled", feed_id=feed_id)
            return None, error.message if isinstance(error, errors.NewsletterError) else type(error).__name__
        finally:
            db.session.rollback()
