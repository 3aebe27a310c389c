"""Secrets that have to be read again: sealed before they are stored, opened across key rotation.

The key is derived from NEWSLETTER_SECRET_KEY, which is not in the database: a copy of the database opens nothing.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from newsletter import errors, settings


def seal(purpose: str, secret: str) -> str:
    """A text from which only `unseal` with the same purpose reads the secret; another one each time."""
    return _keys(purpose).encrypt(secret.encode()).decode()


def unseal(purpose: str, sealed: str) -> str:
    """The secret that was sealed for this purpose; raises errors.BadToken for anything else."""
    try:
        return _keys(purpose).decrypt(sealed).decode()
    except (InvalidToken, ValueError):
        raise errors.BadToken from None


def reseal(purpose: str, sealed: str) -> str:
    """The same secret under the present key, so that an older key can be given up; raises errors.BadToken."""
    return seal(purpose, unseal(purpose, sealed))


def _keys(purpose: str) -> MultiFernet:
    # The first one seals, any of them opens.
    present = settings.current()
    return MultiFernet([_key(purpose, key) for key in (present.secret_key, *present.secret_key_fallbacks)])


def _key(purpose: str, key: str) -> Fernet:
    # A key of its own for each purpose, so that what is sealed for one person opens nothing of another's.
    return Fernet(base64.urlsafe_b64encode(hmac.new(key.encode(), f"seal:{purpose}".encode(), hashlib.sha256).digest()))
