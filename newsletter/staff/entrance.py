"""Coming in: by a password, then a code where the editor has an app for it; at login, and to show it is still them."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from newsletter import clock, db, errors, limits, settings, signing
from newsletter.staff import editors, passwords, recovery, sessions, totp, warnings
from newsletter.staff.models import Editor, EditorSession

_TICKET = "login-code"
_TICKET_LIFETIME = timedelta(minutes=10)
_PERIOD = timedelta(minutes=15)
_WRONG = "The address or the password is wrong."
_WRONG_CODE = "This code is wrong, or was used already. Please try the next one."


@dataclass(frozen=True)
class Halfway:
    """The password was right; the ticket and a code open a session."""

    ticket: str


def log_in(address: str, password: str, *, agent: str = "", source_address: str = "") -> str | Halfway:
    """The cookie of a new session, or Halfway when a code is asked for. Raises BadInput, the same for an unknown
    address as for a wrong password, and Refused past the limits.

    Commits before hashing, so that a refused attempt counts and nothing waits for the hash: call it first.
    """
    account, network = address.strip().lower()[:254], _network(source_address)
    few, many = settings.current().login_attempts, settings.current().login_attempts_in_total
    # Per account and network first: a stranger elsewhere cannot lock the real person out cheaply.
    _count(
        (f"login:{account}:{network}", few),
        (f"login:network:{network}", many),
        (f"login:account:{account}", many),
    )
    editor = editors.find(address)
    known = editor if editor and editor.is_active and editor.password_hash else None
    editor_id, stored = (known.id, known.password_hash) if known else (0, passwords.NOBODY)
    db.session.commit()
    if not passwords.is_right(stored, password) or not editor_id:
        raise errors.BadInput(_WRONG, field="password")
    stronger = passwords.hashed(password) if passwords.is_weak(stored) else stored
    editor = editors.get(editor_id)
    if editor.password_hash != stored or not editor.is_active:  # changed while we were hashing
        raise errors.BadInput(_WRONG, field="password")
    editor.password_hash = stronger
    if totp.is_on(editor.id):
        return Halfway(signing.sign_dated(_TICKET, [editor.id, _mark(editor)]))
    return sessions.start(editor, agent=agent, source_address=source_address)


def finish(ticket: str, code: str, *, agent: str = "", source_address: str = "") -> str:
    """The cookie of a new session, for a ticket and a code of the app or a recovery code.

    Raises BadInput for a wrong code, ExpiredToken for a ticket that is not ours, too old, or from before another
    password, and Refused past the limits. A refused attempt counts: it commits.
    """
    editor = _holder(ticket)
    _count((f"login:network:{_network(source_address)}", settings.current().login_attempts_in_total))
    if not _takes(editor, code):
        raise errors.BadInput(_WRONG_CODE, field="code")
    return sessions.start(editor, agent=agent, source_address=source_address)


def prove(session_id: int, *, password: str = "", code: str = "") -> None:
    """Note that whoever sits there is still the editor: by a code for who has an app, else by the password.

    Raises BadInput and, past the limits, Refused. Commits before hashing: call it first.
    """
    editor = db.session.get_one(EditorSession, session_id).editor
    if totp.is_on(editor.id):
        if not _takes(editor, code):
            raise errors.BadInput(_WRONG_CODE, field="code")
    else:
        check_password(editor, password)
    db.session.get_one(EditorSession, session_id).proved_at = clock.now()
    db.session.commit()


def check_password(editor: Editor, password: str) -> None:
    """Whether this is the password of an editor who is logged in: raises BadInput, and Refused past the limits.

    Commits before hashing: call it first.
    """
    _count((f"proof:{editor.id}", settings.current().login_attempts))
    stored = editor.password_hash
    db.session.commit()
    if not passwords.is_right(stored, password):
        raise errors.BadInput("The password is wrong.", field="password")


def reset_codes(editor: Editor, *, by: str) -> None:
    """Take an editor's two-step login away and end their sessions, and tell them who did; raises Conflict."""
    if not totp.turn_off(editor.id):
        raise errors.Conflict(f"{editor.address} has no two-step login.")
    recovery.forget(editor.id)
    sessions.end_all(editor.id)
    warnings.tell_of_reset(editor, by=by)


def _takes(editor: Editor, code: str) -> bool:
    """Whether the code opens; a recovery code is used up. Wrong ones count, and many are told to the editor."""
    try:
        # Whoever comes this far knows the password: the account itself is limited, wherever the tries come from.
        _count((f"code:{editor.id}", settings.current().login_attempts))
    except errors.Refused:
        warnings.tell_of_tries(editor)
        db.session.commit()
        raise
    db.session.commit()
    if totp.accept(editor.id, code):
        return True
    if totp.is_on(editor.id) and recovery.use(editor.id, code):
        warnings.tell_of_recovery(editor, left=recovery.left(editor.id))
        return True
    return False


def _holder(ticket: str) -> Editor:
    try:
        (editor_id, mark), _age = signing.read_dated(_TICKET, ticket, lifetime=_TICKET_LIFETIME)
    except errors.BadToken:
        raise errors.ExpiredToken("That took too long. Please log in again.") from None
    editor = editors.get(editor_id)
    if mark != _mark(editor) or not editor.is_active or not totp.is_on(editor.id):
        raise errors.ExpiredToken("Something has changed. Please log in again.")
    return editor


def _mark(editor: Editor) -> str:
    """What a ticket bears so that another password ends it."""
    return hashlib.sha256(editor.password_hash.encode()).hexdigest()[:24]


def _count(*counted: tuple[str, int]) -> None:
    for key, capacity in counted:
        if not limits.take(key, capacity=capacity, period=_PERIOD):
            db.session.commit()
            raise errors.Refused("Too many attempts to log in. Please wait a quarter of an hour and try again.")


def _network(source_address: str) -> str:
    try:
        address = ipaddress.ip_address(source_address)
    except ValueError:
        return source_address
    # Whoever has one IPv6 address has at least a /64 of them.
    return str(ipaddress.ip_network((address, 32 if address.version == 4 else 64), strict=False))
