"""The plate of an edition: its mail with all headers, pressed at release and sent from then on."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from newsletter import db
from newsletter.issues import editions
from newsletter.issues.freezing import Content
from newsletter.issues.models import Edition, EditionArticle, EditionPart
from newsletter.issues.selection import Selection
from newsletter.mail import addresses, links, mime, press, slots
from newsletter.mail.press import Plate


@dataclass(frozen=True)
class Pressed:
    """An edition ready to be stored: its plate, and the subject it bears."""

    subject: str
    plate: Plate


def cast(
    issue_id: int, content: Content, selection: Selection, *, dated_at: datetime, is_automatic: bool, mark: str = ""
) -> Pressed:
    """Render an edition and press it; `dated_at` is the instant whose date it shows. No database is used.

    `mark` goes before the subject of what is no reader's mail, which feedback about the issue does not count.
    """
    mail = editions.render(content, selection, dated_at=dated_at)
    domain = addresses.domain_of(content.sender)
    outgoing = mime.Outgoing(
        sender=content.sender,
        recipient="",
        subject=mark + mail.subject,
        html=mail.html,
        text=mail.text,
        message_id="",
        dated_at=dated_at,
        # RFC 2919 3: a name below our own domain that outlives a change of title.
        list_id=f"{content.slug}.{domain}",
        list_name=content.title,
        unsubscribe_url=links.unsubscribe(slots.TOKEN),
        # The token in the subject: in the local part it would pass the 64 octets of RFC 5321 4.5.3.1.1.
        unsubscribe_mailto=links.unsubscribe_mailto(f"unsubscribe@{domain}", slots.TOKEN),
        is_automatic=is_automatic,
        feedback_id=f"{issue_id}:{content.slug}:{'test' if mark else 'digest'}:{_sender_id(domain)}",
    )
    return Pressed(mark + mail.subject, press.cast(outgoing))


def store(issue_id: int, key: str, content: Content, selection: Selection, pressed: Pressed) -> int:
    """Keep an edition under a key of its issue; flushed; its id."""
    known = {story.id: story.correction_id for story in (*content.stories, *content.evergreens)}
    parts = {EditionPart.STORY: selection.story_ids, EditionPart.READ_NEXT: selection.read_next_ids}
    edition = Edition(
        issue_id=issue_id,
        key=key,
        subject=pressed.subject,
        content_hash=pressed.plate.digest,
        plate=pressed.plate.packed,
        selection=dataclasses.asdict(selection),
        stories=[
            EditionArticle(article_id=article_id, part=part, correction_id=known[article_id])
            for part, article_ids in parts.items()
            for article_id in article_ids
        ],
    )
    db.session.add(edition)
    db.session.flush()
    return edition.id


def _sender_id(domain: str) -> str:
    """Google's Feedback Loop: a constant name of the sender, 5 to 15 characters."""
    return domain.replace(".", "-")[:15].strip("-").ljust(5, "0")
