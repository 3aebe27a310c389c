"""What a reader who has just left may take back: all of it, for a day, or all of it after a pause."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from newsletter import clock, db, errors, settings
from newsletter.audience import consent, preferences, subscriptions, wishes
from newsletter.audience.consent import Origin
from newsletter.audience.models import (
    ConsentKind,
    ConsentRecord,
    LeavingReason,
    Purpose,
    Subscriber,
    SubscriptionState,
)
from newsletter.audience.reader_links import ReaderLink
from newsletter.audience.wishes import Wish
from newsletter.languages import speech
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter

# Leaving by one of these is a press of somebody who holds the mail; a complaint or a bounce is not undone.
_CHANNELS = ("link", "one-click", "mail")
_CHOICE = "preferences"
REASONS = {
    "often": speech.later("Too many mails"),
    "topics": speech.later("Not what I expected"),
    "time": speech.later("No time to read"),
    "never": speech.later("I never signed up"),
    "other": speech.later("Something else"),
}


def left_lately(link: ReaderLink) -> list[Wish]:
    """What the reader left within the last day and does not have again, by any of the newsletters' links."""
    reader = db.session.get(Subscriber, link.subscriber_id)
    return _left(reader) if reader else []


def less_often(link: ReaderLink, left: Sequence[Wish]) -> list[tuple[Newsletter, list[Wish]]]:
    """The public digests that come less often than the link's newsletter, each with what was left that it carries."""
    present = db.session.get(Newsletter, link.newsletter_id)
    if present is None or not preferences.is_frequency(present):
        return []
    rarer = [
        each for each in newsletters.public() if preferences.is_frequency(each) and len(each.days) < len(present.days)
    ]
    wanted = list(dict.fromkeys(wish.topic.id for wish in left))
    found = [(each, [Wish(each, topic) for topic in each.topics if topic.id in wanted]) for each in rarer]
    return [(newsletter, wished) for newsletter, wished in found if wished]


def undo(link: ReaderLink, origin: Origin, *, pause: timedelta | None = None) -> list[Wish]:
    """Take back what was left within the last day, with a pause if wanted; harmless twice.

    Raises NotFound when nothing is kept about the reader, Refused when it was longer ago.
    """
    reader = subscriptions.locked_reader(link.subscriber_id)
    if reader is None:
        raise errors.NotFound("Nothing is kept about this address any more. Please sign up again.")
    back = _left(reader)
    if not back and not subscriptions.held(reader, SubscriptionState.CONFIRMED):
        raise errors.Refused("You left more than a day ago. Please sign up again if you want to read us.")
    if back:
        subscriptions.put(reader, back, SubscriptionState.CONFIRMED)
        shown = consent.last_shown(reader.id)
        consent.record(ConsentKind.CONFIRMED, reader, back, origin, shown=shown, note="leaving was undone")
    if pause:
        reader.paused_until = clock.now() + pause
        db.session.flush()
    return back


def give_reason(link: ReaderLink, reason: str) -> None:
    """Keep why somebody left, once for each time they did; nothing in it says who. Raises BadInput."""
    if reason not in REASONS:
        raise errors.BadInput("Please choose one of the reasons.", field="reason")
    reader = subscriptions.locked_reader(link.subscriber_id)
    records = [line for line in _withdrawals(reader) if line.channel in _CHANNELS] if reader else []
    if records and db.session.get(LeavingReason, records[-1].id) is None:
        given = LeavingReason(
            record_id=records[-1].id, newsletter_id=link.newsletter_id, reason=reason, given_at=clock.now()
        )
        db.session.add(given)
        db.session.flush()


def _left(reader: Subscriber) -> list[Wish]:
    names: dict[str, None] = {}
    for line in _withdrawals(reader):
        if line.channel in _CHANNELS:
            names |= dict.fromkeys(line.wishes)
        else:
            # Given up by choice after it was left, and taken again in between.
            for name in line.wishes:
                names.pop(name, None)
    # What was asked for and never confirmed waits for its own link, left or not.
    once_had = subscriptions.ended_confirmed(reader)
    return [wish for wish in wishes.still_offered(names) if wish.key in once_had]


def _withdrawals(reader: Subscriber) -> list[ConsentRecord]:
    """The lines of leaving and of giving up within the last day, without those before a complaint or the like."""
    since = clock.now() - settings.current().undo_lifetime
    lines = select(ConsentRecord).where(
        ConsentRecord.subscriber_id == reader.id,
        ConsentRecord.kind == ConsentKind.WITHDRAWN,
        ConsentRecord.purpose == Purpose.NEWSLETTERS,
        ConsentRecord.at > since,
    )
    found: list[ConsentRecord] = []
    for line in db.session.scalars(lines.order_by(ConsentRecord.number)):
        if line.channel in (*_CHANNELS, _CHOICE):
            found.append(line)
        else:
            found.clear()
    return found
