"""Erasing a person: nothing is left that says who they were (GDPR 17)."""

from sqlalchemy import delete, select, text

from newsletter import db, errors
from newsletter.audience import addresses, consent, subscriptions
from newsletter.audience.models import ConsentDetail, LinkRequest, Part, Subscriber
from newsletter.outbox import forgetting
from newsletter.outbox.suppression import key_of
from newsletter.staff import audit


def erase(subscriber_id: int, *, channel: str = "link") -> bool:
    """Erase a reader; False when nothing is kept about them any more.

    What stays: the chain of their consent without any detail, and the keyed digest of each address they had among the
    suppressions, so that no import and no editor brings them back. They may sign up anew themselves.
    """
    reader = subscriptions.locked_reader(subscriber_id)
    if reader is None:
        return False
    _overwrite_what_is_deleted()
    keys = _keys(reader)
    consent.close([reader.id], channel=channel)
    db.session.execute(delete(Subscriber).where(Subscriber.id == subscriber_id))
    db.session.expire_all()
    forgetting.forget(subscriber_id, keys)
    return True


def erase_at_wish(subscriber_id: int, address: str, *, actor: str, editor_id: int | None = None) -> None:
    """Erase a reader who asked staff for it; raises NotFound, and BadInput when `address` is not theirs.

    The audit log outlives them, so its line names a number and no address.
    """
    reader = subscriptions.locked_reader(subscriber_id)
    if reader is None:
        raise errors.NotFound("There is no such reader.")
    if addresses.parse(address).key != reader.address_key:
        raise errors.BadInput("This is not the address of this reader.", field="address")
    erase(subscriber_id, channel="desk")
    audit.record(actor, "reader erased", f"reader {subscriber_id}", editor_id=editor_id)


def _overwrite_what_is_deleted() -> None:
    # Always done where it costs no further page; here it may (sqlite.org/pragma.html#pragma_secure_delete).
    if db.session.get_bind().dialect.name == "sqlite":
        db.session.execute(text("PRAGMA secure_delete=ON"))


def _keys(reader: Subscriber) -> set[str]:
    """Every address they have or had with us, in canonical form."""
    details = select(ConsentDetail.content).filter_by(subscriber_id=reader.id, part=Part.PERSON)
    written = [content.get("address", "") for content in db.session.scalars(details)]
    written += db.session.scalars(select(LinkRequest.address).filter_by(subscriber_id=reader.id, kind="moved"))
    return {reader.address_key, *(key_of(each) for each in written if each)}
