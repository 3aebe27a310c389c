"""Addresses we must not write to."""

import unicodedata
from datetime import datetime
from typing import Any

import idna
from sqlalchemy import ColumnElement, func, or_, select

from newsletter import clock, db, errors, signing
from newsletter.outbox.models import Suppression, SuppressionReason

PAGE = 50

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
        lift_one(present, f"replaced by {reason}")
    suppression = Suppression(**row_of(key_of(address), reason, note, clock.now()))
    db.session.add(suppression)
    db.session.flush()
    return suppression


def lift(address: str, note: str) -> bool:
    """Allow mail to an address again, for a reason that is kept; False when it was not suppressed."""
    present = find(address)
    lifted = present is not None
    while present is not None:
        lift_one(present, note)
        present = find(address)
    return lifted


def page(*, after: int = 0, limit: int = 100, in_force: bool = True) -> list[Suppression]:
    """Suppressions by id, past `after`; with in_force=False also the lifted ones."""
    statement = select(Suppression).where(Suppression.id > after).order_by(Suppression.id).limit(limit)
    return list(db.session.scalars(statement.where(Suppression.lifted_at.is_(None)) if in_force else statement))


def listed(*, words: str = "", reason: str = "", in_force: bool = True, before: int | None = None) -> list[Suppression]:
    """Up to PAGE suppressions, newest first, below the id `before`: of one reason, with these words in the address.

    A whole address finds an erased one as well, by its digest. Raises BadInput for an unknown reason.
    """
    statement = select(Suppression).order_by(Suppression.id.desc()).limit(PAGE)
    statement = statement.where(Suppression.lifted_at.is_(None) if in_force else Suppression.lifted_at.is_not(None))
    if reason:
        if reason not in list(SuppressionReason):
            raise errors.BadInput("There is no such reason.", field="reason")
        statement = statement.where(Suppression.reason == reason)
    if words:
        statement = statement.where(_matches(words))
    if before is not None:
        statement = statement.where(Suppression.id < before)
    return list(db.session.scalars(statement))


def get(suppression_id: int) -> Suppression:
    """The suppression of an id; raises NotFound."""
    found = db.session.get(Suppression, suppression_id)
    if found is None:
        raise errors.NotFound("There is no such suppression.")
    return found


def of(address: str) -> list[Suppression]:
    """Every suppression of an address, lifted ones too, newest first."""
    digests = signing.digests("suppression", key_of(address))
    query = select(Suppression).where(Suppression.digest.in_(digests)).order_by(Suppression.id.desc())
    return list(db.session.scalars(query.limit(PAGE)))


def history(suppression: Suppression) -> list[Suppression]:
    """The other suppressions of the same address, newest first."""
    known = [suppression.digest]
    if suppression.address is not None:
        known = signing.digests("suppression", suppression.address)
    query = select(Suppression).where(Suppression.digest.in_(known), Suppression.id != suppression.id)
    return list(db.session.scalars(query.order_by(Suppression.id.desc()).limit(PAGE)))


def lift_one(suppression: Suppression, note: str) -> None:
    """Lift this suppression alone, for a reason that is kept."""
    suppression.lifted_at = clock.now()
    suppression.note = "; ".join(part for part in (suppression.note, f"lifted: {note}") if part)
    db.session.flush()


def counts() -> dict[SuppressionReason, int]:
    """How many suppressions are in force, by reason, every reason named."""
    query = select(Suppression.reason, func.count()).where(Suppression.lifted_at.is_(None))
    rows = db.session.execute(query.group_by(Suppression.reason))
    return dict.fromkeys(SuppressionReason, 0) | {reason: number for reason, number in rows}  # noqa: C416 - for mypy


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


def _matches(words: str) -> ColumnElement[bool]:
    if "@" not in words:
        return Suppression.address.contains(words.strip().lower(), autoescape=True)
    key = key_of(words)
    digests = signing.digests("suppression", key)
    return or_(Suppression.address.contains(key, autoescape=True), Suppression.digest.in_(digests))
