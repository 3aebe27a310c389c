"""The mail that answers a sign-up, chosen by what the reader has when it is sent."""

from newsletter import clock, db, settings
from newsletter.audience import reader_links, signup, subscriptions, wishes
from newsletter.audience.models import SignupRequest, Subscriber, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.audience.wishes import Wish
from newsletter.mail import addresses as mail_addresses
from newsletter.mail import letters, links, looks, mime
from newsletter.mail.templates import Rendered
from newsletter.outbox import composers
from newsletter.publication import masthead


def compose(row: composers.Row) -> composers.Wire | composers.Skipped:
    """ "Confirm", "Add Footwear to The Daily?", or the preferences link when nothing asked for is new."""
    request = db.session.get(SignupRequest, row.recipient_id)
    reader = db.session.get(Subscriber, request.subscriber_id) if request else None
    if request is None or reader is None:
        return composers.Skipped("the sign-up was deleted")
    if request.used_at is not None:
        return composers.Skipped("confirmed already")
    if request.expires_at <= clock.now():
        return composers.Skipped("the link would be too old")
    return written(row, _rendered(request, reader))


def written(row: composers.Row, rendered: Rendered) -> composers.Wire:
    """A small mail to a reader, as it leaves."""
    sender = settings.current().sender
    outgoing = mime.Outgoing(
        sender=sender,
        recipient=row.address,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        message_id=row.message_id,
        dated_at=row.dated_at,
        # RFC 3834 5: made by a program, so that no absence note answers it.
        is_automatic=True,
    )
    return composers.Wire(mime.build(outgoing), mail_addresses.spec_of(sender))


def _rendered(request: SignupRequest, reader: Subscriber) -> Rendered:
    look, wished = looks.of(masthead.current()), wishes.of_keys(request.wishes)
    held = subscriptions.held(reader, SubscriptionState.CONFIRMED)
    new = [wish for wish in wished if wish.key not in held]
    if not new:
        link = ReaderLink(reader.id, request.wishes[0][0])
        return letters.preferences_link(look, url=links.preferences(reader_links.token(link)), language=reader.language)
    write = letters.add if held else letters.confirm
    return write(
        look,
        _told(new),
        url=links.confirm(signup.token(request)),
        lifetime=settings.current().confirmation_lifetime,
        language=reader.language,
    )


def _told(wished: list[Wish]) -> list[letters.Wish]:
    return [
        letters.Wish(newsletter.title, [topic.name for topic in topics])
        for newsletter, topics in wishes.by_newsletter(wished)
    ]
