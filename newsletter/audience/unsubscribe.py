"""Leaving: by a reader's link, at once, and harmless twice."""

from dataclasses import dataclass

from newsletter import db
from newsletter.audience import consent, returning, subscriptions
from newsletter.audience.models import ConsentKind, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.outbox import queue
from newsletter.publication.models import Newsletter

_COMPLAINT = "complaint"


@dataclass(frozen=True)
class Left:
    """What was left: the newsletter's title ("" for everything), and whether it had been left before."""

    newsletter: str
    already: bool


def leave(link: ReaderLink, origin: consent.Origin, *, everything: bool = False) -> Left:
    """End the subscriptions to the link's newsletter, or to all; a reader no longer known has left already.

    One record of withdrawal however often it is called. Mail still queued is stopped here when nothing is left to
    read, else by the composer of the issue, which skips who no longer takes its newsletter.
    """
    newsletter = db.session.get(Newsletter, link.newsletter_id)
    title = newsletter.title if newsletter and not everything else ""
    reader = subscriptions.locked_reader(link.subscriber_id)
    if reader is None:
        return Left(title, already=True)
    ended = subscriptions.end(reader, newsletter_id=None if everything else link.newsletter_id)
    # A complaint is written down also by who had left, while that could be undone: from now on it cannot.
    if not ended and not (origin.channel == _COMPLAINT and returning.left_lately(link)):
        return Left(title, already=True)
    consent.record(ConsentKind.WITHDRAWN, reader, ended, origin)
    if not subscriptions.held(reader, SubscriptionState.CONFIRMED):
        queue.cancel_for(reader.id)
    return Left(title, already=not ended)
