"""All mail to an address stopped, or allowed again, by hand: with a reason, and a line in the audit log.

The log outlives an erasure, so its lines name a suppression by its number and never the address.
"""

from newsletter import clock, db, errors
from newsletter.audience import addresses, directory
from newsletter.outbox import suppression
from newsletter.outbox.models import Suppression, SuppressionReason
from newsletter.staff import audit

LONGEST = 500  # characters of a reason


def stop(text: str, note: str, *, actor: str, editor_id: int | None = None) -> tuple[Suppression, bool]:
    """Never write to an address again, because its owner asked; False when that is so already. Raises BadInput.

    An erased address stays a digest.
    """
    key = addresses.parse(text).key
    present = suppression.find(key)
    if present is not None and present.reason is SuppressionReason.REQUEST:
        return present, False
    is_erased = present is not None and present.address is None and directory.find(key) is None
    made = suppression.suppress(key, SuppressionReason.REQUEST, _tidy(note))
    if is_erased:
        made.address, made.note = None, ""
        db.session.flush()
    before = {"reason": present.reason.value} if present else {}
    audit.record(
        actor, "mail stopped", f"suppression {made.id}", before=before, after={"reason": "request"}, editor_id=editor_id
    )
    return made, True


def lift(
    present: Suppression, reason: str, *, actor: str, editor_id: int | None = None, subject: str = ""
) -> Suppression:
    """Allow mail to an address again. Raises BadInput without a reason, Conflict when it is lifted, or was erased.

    What an erased person was suppressed for can be lifted; that they were erased stays.
    """
    reason = _tidy(reason)
    if not reason:
        raise errors.BadInput("Please say why mail may go to this address again.", field="reason")
    if present.lifted_at is not None:
        raise errors.Conflict("This is lifted already.")
    if present.reason is SuppressionReason.ERASURE:
        raise errors.Conflict("Its owner had everything erased. Only they can come back, by signing up.")
    suppression.lift_one(present, reason)
    if present.address is None:
        _keep_erased(present)
    audit.record(
        actor,
        "suppression lifted",
        subject or f"suppression {present.id}",
        before={"reason": present.reason.value},
        after={"reason": reason},
        editor_id=editor_id,
    )
    return present


def _keep_erased(lifted: Suppression) -> None:
    note = f"Erased before; the {lifted.reason.value.replace('_', ' ')} was lifted."
    erased = Suppression(
        address=None, digest=lifted.digest, reason=SuppressionReason.ERASURE, note=note, created_at=clock.now()
    )
    db.session.add(erased)
    db.session.flush()


def _tidy(text: str) -> str:
    return " ".join(text.split())[:LONGEST]
