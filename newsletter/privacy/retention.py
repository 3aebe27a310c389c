"""What is kept no longer: readers who left long ago, and what servers said about addresses erased meanwhile."""

from datetime import datetime

from sqlalchemy import exists, select

from newsletter import db, settings
from newsletter.audience.models import ConsentRecord, Subscriber, Subscription, SubscriptionState
from newsletter.outbox import forgetting
from newsletter.privacy import erase


def erase_long_gone(now: datetime, *, limit: int = 100) -> int:
    """Erase up to `limit` readers who have had no subscription, and said nothing, for the time a proof is kept."""
    before = now - settings.current().proof_lifetime
    open_wish = exists().where(
        Subscription.subscriber_id == Subscriber.id, Subscription.state != SubscriptionState.ENDED
    )
    lately = exists().where(ConsentRecord.subscriber_id == Subscriber.id, ConsentRecord.at >= before)
    gone = select(Subscriber.id).where(Subscriber.created_at < before, ~open_wish, ~lately).order_by(Subscriber.id)
    ids = list(db.session.scalars(gone.limit(limit)))
    for subscriber_id in ids:
        erase.erase(subscriber_id, channel="retention")
    return len(ids)


def forget_replies() -> int:
    """Take erased addresses out of replies that came later."""
    return forgetting.forget_replies()
