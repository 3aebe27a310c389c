"""The mails that bring a reader a link, written when they are sent."""

from newsletter import clock, db
from newsletter.audience import addresses, fresh_links, reader_links
from newsletter.audience.letters import written
from newsletter.audience.models import LinkKind, LinkRequest, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.mail import letters, links, looks
from newsletter.mail.templates import Rendered
from newsletter.outbox import composers
from newsletter.publication import masthead, newsletters


def compose(row: composers.Row) -> composers.Wire | composers.Skipped:
    """One mail with one link."""
    request = db.session.get(LinkRequest, row.recipient_id)
    reader = db.session.get(Subscriber, request.subscriber_id) if request else None
    if request is None or reader is None:
        return composers.Skipped("the reader was erased")
    if request.expires_at <= clock.now():
        return composers.Skipped("the link would be too old")
    if request.used_at is not None:
        return composers.Skipped("used already")
    return written(row, _rendered(request, reader))


def _rendered(request: LinkRequest, reader: Subscriber) -> Rendered:
    look, language = looks.of(masthead.current()), reader.language
    lifetime = request.expires_at - request.created_at
    if request.kind is LinkKind.PREFERENCES:
        newsletter = newsletters.default()
        link = ReaderLink(reader.id, newsletter.id if newsletter else 0)
        return letters.open_preferences(look, url=links.preferences(reader_links.token(link)), language=language)
    if request.kind is LinkKind.PRIVATE:
        url = links.private(fresh_links.token(request))
        return letters.private_link(look, url=url, lifetime=lifetime, language=language)
    if request.kind is LinkKind.MOVE:
        url = links.move(fresh_links.token(request))
        return letters.confirm_move(
            look, url=url, earlier=addresses.masked(reader.address), lifetime=lifetime, language=language
        )
    return letters.moved(look, now=addresses.masked(reader.address), language=language)
