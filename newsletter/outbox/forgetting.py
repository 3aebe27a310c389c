"""Taking one person's addresses out of the outbox: out of messages, and out of suppressions but for a keyed digest."""

from collections.abc import Iterable

from sqlalchemy import select, update

from newsletter import clock, db, signing
from newsletter.outbox.models import Message, MessageState, Run, Suppression, SuppressionReason

# What stands in place of an address that was erased.
GONE = ""


def forget(recipient_id: int, keys: Iterable[str], *, kind: str = "issue") -> None:
    """Stop what is queued to these canonical addresses or to this reader, and forget where it was to go.

    What is kept is that the address was erased, under its keyed digest: imports and staff cannot bring it back.
    """
    addressed = set(keys)
    runs = select(Run.id).where(Run.kind == kind)
    theirs = Message.address_key.in_(addressed) | ((Message.recipient_id == recipient_id) & Message.run_id.in_(runs))
    unsent = [MessageState.QUEUED, MessageState.DEFERRED, MessageState.CLAIMED]
    stopped = {"state": MessageState.SKIPPED, "claimed_by": None, "settled_at": clock.now()}
    quietly = {"synchronize_session": False}
    db.session.execute(
        update(Message).where(theirs, Message.state.in_(unsent)).values(stopped), execution_options=quietly
    )
    # The server's own words often repeat the address.
    gone = {"address": GONE, "address_key": GONE, "domain": GONE, "last_reply": ""}
    db.session.execute(update(Message).where(theirs).values(gone), execution_options=quietly)
    db.session.expire_all()
    for key in sorted(addressed):
        _keep_digest(key)


def forget_replies() -> int:
    """Take away what servers answered to mail that was on the wire while its address was erased; how many it was."""
    late = update(Message).where(Message.address_key == GONE, Message.last_reply != "")
    found = db.session.execute(
        late.values(last_reply="").returning(Message.id), execution_options={"synchronize_session": False}
    )
    return len(found.all())


def _keep_digest(key: str) -> None:
    digests = signing.digests("suppression", key)
    known = Suppression.digest.in_(digests) | (Suppression.address == key)
    db.session.execute(
        update(Suppression).where(known).values(address=None, note=""), execution_options={"synchronize_session": False}
    )
    if (
        db.session.scalars(select(Suppression.id).where(known, Suppression.lifted_at.is_(None)).limit(1)).first()
        is None
    ):
        erased = Suppression(
            address=None, digest=digests[0], reason=SuppressionReason.ERASURE, note="", created_at=clock.now()
        )
        db.session.add(erased)
    db.session.flush()
