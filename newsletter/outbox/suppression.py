"""Addresses we must not write to."""

import unicodedata
from datetime import datetime
from typing import Any

import idna
from sqlalchemy import func, or_, select

from newsletter import clock, db, signing
from newsletter.outbox.models import Suppression, SuppressionReason

# What a later fact may replace: a complaint weighs more than a bounce, a person's word more than either.
_WEIGHT = {
    SuppressionReason.ERASURE: 0,
    SuppressionReason.HARD_BOUNCE: 1,
    SuppressionReason.COMPLAINT: 2,
    SuppressionReason.REQUEST: 3,
}


def is_suppressed(address: str) -> bool:
    """Whether an address, in any spelling, is suppressed for any reason, an erasure included."""
    return find(address) is not None


def find(address: str) -> Suppression | None:
    """The suppression in force for an address in any spelling, the weightiest first, or None."""
    key = key_of(address)
    statement = select(Suppression).where(
        or_(Suppression.address == key, Suppression.digest.in_(signing.digests("suppression", key))),
        Suppression.lifted_at.is_(None),
    )
    found = list(db.session.scalars(statement))
    return max(found, key=lambda one: _WEIGHT[one.reason], default=None)


def suppress(address: str, reason: SuppressionReason, note: str = "") -> Suppression:
    """Stop all mail to an address; harmless twice; a weightier reason replaces a lighter, which stays as history."""
    present = find(address)
    if present is not None:
        if _WEIGHT[present.reason] >= _WEIGHT[reason]:
            return present
        _lift(present, f"replaced by {reason}")
    suppression = Suppression(**row_of(key_of(address), reason, note, clock.now()))
    db.session.add(suppression)
    db.session.flush()
    return suppression


def lift(address: str, note: str) -> bool:
    """Allow mail to an address again, for a reason that is kept; False when it was not suppressed."""
    present = find(address)
    lifted = present is not None
    while present is not None:
        _lift(present, note)
        present = find(address)
    return lifted


def page(*, after: int = 0, limit: int = 100, in_force: bool = True) -> list[Suppression]:
    """Suppressions by id, past `after`; with in_force=False also the lifted ones."""
    statement = select(Suppression).where(Suppression.id > after).order_by(Suppression.id).limit(limit)
    return list(db.session.scalars(statement.where(Suppression.lifted_at.is_(None)) if in_force else statement))


def count() -> int:
    """How many suppressions are in force."""
    return db.session.scalar(select(func.count(Suppression.id)).where(Suppression.lifted_at.is_(None))) or 0


def key_of(address: str) -> str:
    """The one spelling of an address that suppressions are kept under: lower case, the domain as A-labels.

    A key is its own key. Local parts are not case-sensitive in practice (RFC 5321 2.4 allows it and advises against).
    """
    local, _, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    return f"{local.lower()}@{ascii_domain(domain)}"


def ascii_domain(domain: str) -> str:
    """A domain as A-labels in lower case (RFC 5890); one that cannot be is left as it is, for the server to refuse."""
    lowered = domain.lower().rstrip(".")
    if lowered.isascii():
        return lowered
    try:
        return idna.encode(lowered, uts46=True).decode()
    except idna.IDNAError:
        return lowered


def row_of(key: str, reason: SuppressionReason, note: str, at: datetime) -> dict[str, Any]:
    """The column values of a new suppression, for rooms and the ledger alike."""
    digest = signing.digests("suppression", key)[0]
    return {"address": key, "digest": digest, "reason": reason, "note": note, "created_at": at}


def _lift(suppression: Suppression, note: str) -> None:
    suppression.lifted_at = clock.now()
    suppression.note = "; ".join(part for part in (suppression.note, f"lifted: {note}") if part)
    db.session.flush()
