"""Mail into a folder, one .eml file each: what development uses instead of a mail server."""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from pathlib import Path

from newsletter.outbox.parcels import Parcel
from newsletter.outbox.replies import Reply
from newsletter.outbox.transports import direct


@dataclass(frozen=True)
class Transport:
    """Couriers that write into `path`, which is made when it is missing."""

    path: Path

    def courier(self) -> direct.Courier:
        return direct.Courier(_Folder(self.path))


class _Folder:
    """Each message appears whole under its final name or not at all; the same message again takes the same name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> Reply | None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return _lost("connect", error)
        return None

    def offer(self, parcel: Parcel) -> None:
        """A folder takes every message."""

    def put(self, parcel: Parcel) -> Reply:
        name = file_name(parcel.wire.content)
        # The process id keeps two workers that write the same message at once out of each other's file.
        partial = self._path / f".{name}.{os.getpid()}"
        try:
            with partial.open("wb") as file:
                file.write(parcel.wire.content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path / name)
        except OSError as error:
            # Nothing stands under its final name: not handed over, as when a connection breaks in the body.
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            return _lost("data", error)
        return Reply("dot", 250, f"2.0.0 Written as {name}", "2.0.0")


def file_name(content: bytes) -> str:
    """A name that sorts by the Date header and is unique per Message-ID, so that a copy overwrites its first."""
    headers = BytesHeaderParser().parsebytes(content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    try:
        dated_at = parsedate_to_datetime(str(headers["Date"])).astimezone(UTC)
    except (TypeError, ValueError):
        dated_at = datetime.fromtimestamp(0, UTC)
    identity = str(headers["Message-ID"]).strip().encode() if headers["Message-ID"] else content
    return f"{dated_at:%Y%m%dT%H%M%SZ}-{hashlib.sha256(identity).hexdigest()[:16]}.eml"


def _lost(phase: str, error: OSError) -> Reply:
    return Reply(phase, None, f"The mail folder cannot be written: {error.strerror}.")
