"""Asking links before there is an issue: one without an approval is made at its time, and waits for no answer."""

from datetime import datetime

from newsletter import clock, db, limits, settings
from newsletter.issues import candidates, dates, weblinks
from newsletter.mail import links
from newsletter.publication import newsletters
from newsletter.publication.models import Approval, Newsletter

JOB = "check_links_ahead"


def due(now: datetime) -> list[int]:
    """Newsletters that appear soon without an approval and were not looked at just now: their ids. Flushes."""
    present = settings.current()
    found = []
    for newsletter in newsletters.all():
        if newsletter.approval is Approval.NONE and newsletter.days:
            due_at = dates.next_appearance(newsletter, now)
            is_soon = due_at is not None and due_at - now <= present.preflight_ahead
            key = f"links-ahead:{newsletter.id}"
            if is_soon and limits.take(key, capacity=1, period=present.preflight_interval):
                found.append(newsletter.id)
    return found


def check(newsletter_id: int) -> None:
    """The job: ask the links of what the newsletter would bring now. Owns its transactions; harmless twice."""
    newsletter = db.session.get(Newsletter, newsletter_id)
    if newsletter is not None:
        found = candidates.find(newsletter, candidates.window(newsletter, clock.now()))
        urls = [url for article in found if (url := links.safe(article.url)) and weblinks.is_asked(url)]
        db.session.rollback()
        weblinks.check(urls)
