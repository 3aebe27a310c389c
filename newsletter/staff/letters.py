"""The mail that tells an editor something."""

from newsletter import db, settings
from newsletter.mail import addresses, letters, looks, mime
from newsletter.outbox import composers
from newsletter.publication import masthead
from newsletter.staff.models import Editor, Notice

KIND = "notice"


def compose(row: composers.Row) -> composers.Wire | composers.Skipped:
    """The mail of a notice; skipped when the editor has left or has put the notice away already."""
    notice = db.session.get(Notice, row.recipient_id)
    editor = db.session.get(Editor, notice.editor_id) if notice else None
    if notice is None or editor is None or not editor.is_active:
        return composers.Skipped("no longer an editor")
    if notice.seen_at is not None:
        return composers.Skipped("seen on the desk")
    return wire(row, subject=notice.subject, text=notice.text, path=notice.path or "/admin")


def wire(row: composers.Row, *, subject: str, text: str, path: str) -> composers.Wire:
    """A mail of the desk with one sentence or a few, and a button that leads to a page of it."""
    present = settings.current()
    rendered = letters.notice(looks.of(masthead.current()), subject=subject, text=text, url=f"{present.base_url}{path}")
    outgoing = mime.Outgoing(
        sender=present.sender,
        recipient=row.address,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        message_id=row.message_id,
        dated_at=row.dated_at,
        # RFC 3834 5: nobody wrote this by hand, and nobody's absence note should answer it.
        is_automatic=True,
    )
    return composers.Wire(mime.build(outgoing), addresses.spec_of(present.sender))
