"""What an editor is told by mail when something about their own way in has changed."""

from newsletter import clock
from newsletter.staff import notices
from newsletter.staff.models import Editor

_NOT_YOU = "If that was not you, choose another password on your account’s page and tell an admin."
_ACCOUNT = "/admin/account"


def tell_of_password(editor: Editor) -> None:
    """The password was changed."""
    _tell(editor, "password", "Your password was changed", f"Your other sessions have ended. {_NOT_YOU}")


def tell_of_codes(editor: Editor, *, on: bool) -> None:
    """Two-step login was turned on or off by the editor."""
    _tell(editor, "codes", f"Two-step login was turned {'on' if on else 'off'}", _NOT_YOU)


def tell_of_reset(editor: Editor, *, by: str) -> None:
    """Two-step login was taken away by somebody else."""
    text = f"{by} reset it. You log in with your password alone until you set it up again, on your account’s page."
    _tell(editor, "reset", "Your two-step login was reset", text)


def tell_of_recovery(editor: Editor, *, left: int) -> None:
    """A recovery code was used."""
    _tell(editor, "recovery", "A recovery code was used to log in", f"You have {left} left. {_NOT_YOU}")


def tell_of_tries(editor: Editor) -> None:
    """Somebody who knows the password tries codes; told once an hour."""
    text = f"Somebody who knows your password has tried many codes. {_NOT_YOU}"
    _tell(editor, "tries", "Wrong codes were tried for your account", text, when=f"{clock.now():%Y-%m-%dT%H}")


def _tell(editor: Editor, what: str, subject: str, text: str, *, when: str = "") -> None:
    key = f"account:{what}:{when or clock.now().isoformat()}"
    notices.tell_one(editor, key, subject=subject, text=text, path=_ACCOUNT)
