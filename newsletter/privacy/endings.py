"""Subscriptions ended by staff because their reader asked: with a reason, a consent record, a line in the audit log."""

from newsletter import errors
from newsletter.audience import consent, subscriptions
from newsletter.audience.models import ConsentKind, SubscriptionState
from newsletter.outbox import queue
from newsletter.publication import newsletters
from newsletter.staff import audit

LONGEST = 500  # characters of a reason


def end(
    subscriber_id: int, reason: str, *, newsletter: str = "", actor: str, editor_id: int | None = None
) -> list[str]:
    """End what a reader takes of a newsletter, or everything; returns what ended ("daily:music").

    Only they can begin it again: no link in a mail takes this back. Raises BadInput without a reason, NotFound, and
    Conflict when there is nothing to end.
    """
    reason = " ".join(reason.split())[:LONGEST]
    if not reason:
        raise errors.BadInput("Please say why this ends.", field="reason")
    chosen = newsletters.get(newsletter).id if newsletter else None
    reader = subscriptions.locked_reader(subscriber_id)
    if reader is None:
        raise errors.NotFound("There is no such reader.")
    ended = subscriptions.end(reader, newsletter_id=chosen)
    if not ended:
        raise errors.Conflict("Nothing is left to end: they do not take this any more.")
    consent.record(ConsentKind.WITHDRAWN, reader, ended, consent.Origin("desk"), note=reason)
    if not subscriptions.held(reader, SubscriptionState.CONFIRMED):
        queue.cancel_for(reader.id)
    names = [wish.name for wish in ended]
    audit.record(
        actor,
        "subscriptions ended",
        f"reader {reader.id}",
        before={"subscriptions": names},
        after={"subscriptions": [], "reason": reason},
        editor_id=editor_id,
    )
    return names
