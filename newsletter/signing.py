"""Link tokens: signed, bound to one purpose, valid across key rotation."""

import hashlib
import hmac
from datetime import timedelta
from typing import Any

from itsdangerous import BadSignature, SignatureExpired, URLSafeSerializer, URLSafeTimedSerializer

from newsletter import clock, errors, settings

# SHA-384 gives 48 bytes, a multiple of 3: with another length the last character of the base64
# signature carries unused bits, and up to three other last characters would verify as well.
_SIGNER = {"digest_method": hashlib.sha384, "key_derivation": "hmac"}


def sign(purpose: str, payload: Any) -> str:
    """A token for a JSON-able `payload`, always the same one, that only `read` with this purpose accepts."""
    return str(URLSafeSerializer(_keyring(), salt=purpose, signer_kwargs=_SIGNER).dumps(payload))


def read(purpose: str, token: str) -> Any:
    """The payload of a token made by `sign`; raises errors.BadToken for anything else."""
    try:
        return URLSafeSerializer(_keyring(), salt=purpose, signer_kwargs=_SIGNER).loads(token)
    except BadSignature:
        raise errors.BadToken from None


def sign_dated(purpose: str, payload: Any) -> str:
    """Like `sign`, with the second of signing inside, for `read_dated`."""
    return str(URLSafeTimedSerializer(_keyring(), salt=purpose, signer_kwargs=_SIGNER).dumps(payload))


def read_dated(purpose: str, token: str, *, lifetime: timedelta) -> tuple[Any, timedelta]:
    """The payload and age of a dated token; raises ExpiredToken past `lifetime`, else BadToken."""
    serializer = URLSafeTimedSerializer(_keyring(), salt=purpose, signer_kwargs=_SIGNER)
    try:
        payload, signed_at = serializer.loads(token, max_age=int(lifetime.total_seconds()), return_timestamp=True)
    except SignatureExpired:
        raise errors.ExpiredToken from None
    except BadSignature:
        raise errors.BadToken from None
    return payload, clock.now() - signed_at


def digests(purpose: str, value: str) -> list[str]:
    """Keyed SHA-256 digests (hex) of a value under every key, the present key first: to find what is stored hashed."""
    keys = [settings.current().secret_key, *settings.current().secret_key_fallbacks]
    return [hmac.new(f"{purpose}:{key}".encode(), value.encode(), hashlib.sha256).hexdigest() for key in keys]


def _keyring() -> list[str]:
    # itsdangerous signs with the last key and verifies with any.
    present = settings.current()
    return [*reversed(present.secret_key_fallbacks), present.secret_key]
