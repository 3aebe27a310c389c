"""What somebody saw of a thing before changing it, so that an older sight never overwrites a newer one."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from newsletter import errors


def of(values: Mapping[str, Any]) -> str:
    """A short mark of these values, carried by a form; the same again for equal ones."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def check(seen: str | None, values: Mapping[str, Any]) -> None:
    """Refuse who saw other values than these: raises Conflict. None: whichever they are."""
    if seen is not None and seen != of(values):
        raise errors.Conflict("Somebody else has saved this since you opened it.")
