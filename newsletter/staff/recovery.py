"""Recovery codes: ten that let an editor in without the phone, each once."""

import re
import secrets

from sqlalchemy import delete, func, select, update

from newsletter import clock, db, signing
from newsletter.staff.models import RecoveryCode

COUNT = 10
# Without letters and digits that look alike on paper.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH, _GROUP = 12, 4  # 59 bits, and a code is tried ten times in a quarter of an hour


def make(editor_id: int) -> list[str]:
    """New codes, told here and kept nowhere but as digests; they replace all older ones."""
    forget(editor_id)
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(COUNT)]
    db.session.add_all(RecoveryCode(editor_id=editor_id, digest=_digests(editor_id, code)[0]) for code in codes)
    db.session.flush()
    return ["-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for code in codes]


def use(editor_id: int, code: str) -> bool:
    """Use a code up; False when it is none of this editor's, or has been used."""
    plain = re.sub(r"[\s-]", "", code.lower())
    # One statement, so that of two that come at the same moment one finds it used.
    unused = update(RecoveryCode).where(
        RecoveryCode.editor_id == editor_id,
        RecoveryCode.digest.in_(_digests(editor_id, plain)),
        RecoveryCode.used_at.is_(None),
    )
    taken = db.session.execute(unused.values(used_at=clock.now()).returning(RecoveryCode.id)).all()
    return bool(taken)


def left(editor_id: int) -> int:
    """How many codes an editor has not used."""
    unused = select(func.count()).select_from(RecoveryCode).filter_by(editor_id=editor_id, used_at=None)
    return db.session.scalar(unused) or 0


def forget(editor_id: int) -> None:
    """Let no code of an editor work any more."""
    db.session.execute(delete(RecoveryCode).filter_by(editor_id=editor_id))


def _digests(editor_id: int, code: str) -> list[str]:
    return signing.digests(f"recovery:{editor_id}", code)
