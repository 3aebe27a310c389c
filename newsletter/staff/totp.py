"""Codes of an authenticator app (RFC 6238): turned on with a first one, each taken once, turned off."""

import hmac
from dataclasses import dataclass

import pyotp
from sqlalchemy import select

from newsletter import clock, db, errors, sealing, settings
from newsletter.publication import masthead
from newsletter.staff.models import Authenticator, Editor, Role

_STEP = 30  # seconds; what every app takes for granted (RFC 6238 5.2)
_NEIGHBOURS = (-1, 0, 1)  # one step each way for slow typing and clocks that differ (RFC 6238 5.2)
_REQUIRED = {
    "none": frozenset[Role](),
    "publishers": frozenset({Role.PUBLISHER, Role.ADMIN}),
    "all": frozenset(Role),
}


@dataclass(frozen=True)
class Offer:
    """A secret that is not in force yet: to type, as an address for apps, and sealed to come back with a form."""

    secret: str
    uri: str
    sealed: str

    @property
    def spelled(self) -> str:
        """The secret as one reads it out, four letters at a time."""
        return " ".join(self.secret[at : at + 4] for at in range(0, len(self.secret), 4))


def offer(editor: Editor) -> Offer:
    """A new secret for an editor's app; nothing is stored until `turn_on`."""
    secret = pyotp.random_base32()  # 160 bits, as RFC 4226 4 recommends
    return _offer(editor, secret, sealing.seal(_offering(editor.id), secret))


def offered(editor: Editor, sealed: str) -> Offer:
    """The offer that came back with this editor's form; raises BadInput for another's."""
    try:
        return _offer(editor, sealing.unseal(_offering(editor.id), sealed), sealed)
    except errors.BadToken:
        raise errors.BadInput("This page was too old. Please scan the new code.") from None


def turn_on(editor: Editor, present: Offer, code: str) -> None:
    """Put a secret in force, with a code that shows the app has it; raises BadInput, and Conflict when one is."""
    if is_on(editor.id):
        raise errors.Conflict("Two-step login is on already.")
    step = _step_of(present.secret, code)
    if step is None:
        raise errors.BadInput(
            "This is not the code the app shows now. Please wait for the next one, and check the phone’s clock.",
            field="code",
        )
    db.session.add(
        Authenticator(
            editor_id=editor.id,
            sealed=sealing.seal(_purpose(editor.id), present.secret),
            last_step=step,
            created_at=clock.now(),
        )
    )
    db.session.flush()


def turn_off(editor_id: int) -> bool:
    """Ask this editor for no codes any more; False when they were asked for none."""
    found = db.session.get(Authenticator, editor_id)
    if found is None:
        return False
    db.session.delete(found)
    db.session.flush()
    return True


def is_on(editor_id: int) -> bool:
    """Whether this editor is asked for a code."""
    return db.session.get(Authenticator, editor_id) is not None


def who_has() -> set[int]:
    """The ids of the editors who are asked for a code."""
    return set(db.session.scalars(select(Authenticator.editor_id)))


def is_required(role: Role) -> bool:
    """Whether who has this role must have two-step login."""
    return role in _REQUIRED[settings.current().totp_required]


def accept(editor_id: int, code: str) -> bool:
    """Whether this is a code of the editor's app for now, a step before or after; each is taken once only."""
    # Locked, so that one code cannot open two sessions at the same moment.
    found = db.session.get(Authenticator, editor_id, with_for_update=True)
    if found is None:
        return False
    try:
        secret = sealing.unseal(_purpose(editor_id), found.sealed)
    except errors.BadToken:
        # Sealed with a key that was given up: only recovery codes or an admin's reset help now.
        return False
    step = _step_of(secret, code)
    if step is None or step <= found.last_step:
        return False
    found.last_step = step
    found.sealed = sealing.reseal(_purpose(editor_id), found.sealed)
    db.session.flush()
    return True


def _step_of(secret: str, code: str) -> int | None:
    """The step of which this is the code, among the few that count now."""
    typed, app = "".join(code.split()), pyotp.TOTP(secret, interval=_STEP)
    now = int(clock.now().timestamp()) // _STEP
    right = [step for step in (now + each for each in _NEIGHBOURS) if _is_same(app.generate_otp(step), typed)]
    return right[0] if right else None


def _is_same(code: str, typed: str) -> bool:
    return hmac.compare_digest(code.encode(), typed.encode())


def _offer(editor: Editor, secret: str, sealed: str) -> Offer:
    # Apps cut an issuer at a colon.
    issuer = masthead.current().name.replace(":", " ")
    return Offer(secret, pyotp.TOTP(secret).provisioning_uri(name=editor.address, issuer_name=issuer), sealed)


def _purpose(editor_id: int) -> str:
    return f"totp:{editor_id}"


def _offering(editor_id: int) -> str:
    return f"totp-offer:{editor_id}"
