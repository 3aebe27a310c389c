"""One person's consent records as a chain: each line's hash covers the line before it, so none can be changed unseen.

Nothing personal stands in what is hashed. What can be forgotten (the address, the page; after 30 days the network
address and the agent) lies beside, and its salted digest in the line: without the salt nobody finds it again, and the
chain still holds (GDPR 7(1) and 17 at once).
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# What the first line's hash is made with.
START = ""
_FORMAT = 1
_BODY = (
    *("subscriber_id", "number", "kind", "purpose", "at", "sentence", "language", "terms_version", "privacy_version"),
    *("wishes", "channel", "request_id", "person_digest", "network_digest"),
)


@dataclass(frozen=True)
class Detail:
    """What may be forgotten of a line: its content, and the salt without which its digest says nothing."""

    content: Mapping[str, str]
    salt: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def digest(self) -> str:
        return _sha256({"salt": self.salt, "content": dict(self.content)})


def hash_of(line: Mapping[str, Any], previous: str) -> str:
    """The hash of a line (the columns of a record, by name) that follows one with the hash `previous`; SHA-256, hex."""
    body = {name: _plain(line[name]) for name in _BODY}
    return _sha256({"format": _FORMAT, "previous": previous, **body})


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _sha256(value: Mapping[str, Any]) -> str:
    # One spelling of a value, whatever a database does to the order of its keys.
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
