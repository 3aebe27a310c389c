"""The mail that asks a reader to agree to new terms."""

from newsletter import db
from newsletter.audience import asking, subscriptions
from newsletter.audience.letters import written
from newsletter.audience.models import Subscriber, SubscriptionState, TermsAsk
from newsletter.mail import letters, links, looks, words
from newsletter.outbox import composers
from newsletter.publication import masthead
from newsletter.publication.models import LegalDocument


def compose(row: composers.Row) -> composers.Wire | composers.Skipped:
    """One mail with one link; skipped for who has agreed, or left, meanwhile."""
    reader = db.session.get(Subscriber, row.recipient_id)
    document = db.session.get(LegalDocument, row.run_ref)
    ask = db.session.get(TermsAsk, (row.run_ref, row.recipient_id))
    if reader is None or document is None or ask is None or document.ask_by_at is None:
        return composers.Skipped("the reader was erased")
    if ask.answered_at is not None:
        return composers.Skipped("agreed already")
    if not subscriptions.held(reader, SubscriptionState.CONFIRMED):
        return composers.Skipped("unsubscribed")
    rendered = letters.agree(
        looks.of(masthead.current()),
        title=document.title,
        url=links.agree(asking.token(document.id, reader.id)),
        by=words.long_date(document.ask_by_at, "UTC", reader.language),
        language=reader.language,
    )
    return written(row, rendered)
