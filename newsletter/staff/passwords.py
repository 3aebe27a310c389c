"""Passwords: which are accepted, and how they are kept."""

import threading
import unicodedata
from pathlib import Path

import argon2

from newsletter import errors, settings

_HASHER = argon2.PasswordHasher()
# One hash takes 64 MiB and 150 ms (argon2-cffi 25.1, measured on two cores): more at once would starve the machine.
_AT_ONCE = threading.BoundedSemaphore(2)
# The hash of a random password nobody knows, so that an unknown address takes as long to refuse as a wrong password.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$FQVyrjlh8Ww6Ob6+bfyLAQ$RIJODveZf9GI+Ng8vpQiX6kZyk8dqWbHKK10QLQrTZw"

_LONGEST = 128
# Well-known passwords of twelve and more characters; shorter ones are refused for their length.
_COMMON = frozenset(Path(__file__).with_name("common_passwords.txt").read_text("utf-8").split())


def check(password: str, *, address: str) -> None:
    """Refuse a password that is too short, too long, well known, or the address: raises BadInput."""
    shortest, plain = settings.current().password_length, _normal(password)
    if len(plain) < shortest:
        raise errors.BadInput(f"Please choose at least {shortest} characters.", field="password")
    if len(plain) > _LONGEST:
        raise errors.BadInput(f"Please choose at most {_LONGEST} characters.", field="password")
    folded = plain.casefold()
    if folded in _COMMON or len(set(folded)) < 5:
        raise errors.BadInput(
            "This password is among the first that are tried. Please choose another.", field="password"
        )
    if folded in (address.casefold(), address.partition("@")[0].casefold()):
        raise errors.BadInput("The password cannot be your address. Please choose another.", field="password")


def hashed(password: str) -> str:
    """The argon2id hash to keep. Takes long: call it with no transaction open."""
    with _AT_ONCE:
        return _HASHER.hash(_normal(password))


def is_right(stored: str, password: str) -> bool:
    """Whether the password belongs to the stored hash. Takes long: call it with no transaction open."""
    try:
        with _AT_ONCE:
            return _HASHER.verify(stored, _normal(password[: 4 * _LONGEST]))
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def is_weak(stored: str) -> bool:
    """Whether a hash was made with less effort than today's and should be made anew."""
    return _HASHER.check_needs_rehash(stored)


def _normal(password: str) -> str:
    # The same characters typed on two keyboards may be composed differently.
    return unicodedata.normalize("NFC", password)
