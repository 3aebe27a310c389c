"""What the web addresses in an issue answer: asked as a job, believed for a while, never while a page waits."""

import enum
import hashlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from sqlalchemy import ColumnElement, and_, delete, or_, select

from newsletter import clock, db, errors, fetching, settings
from newsletter.issues.models import CheckedLink
from newsletter.mail import links

# What did not answer well may have been mended: it is believed for a tenth of the time.
_SOONER = 10
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
# Our own pages, of which some open with the issue's release and others with a reader's token.
_OURS = ("/archive", "/confirm/", "/media/", "/preferences/", "/privacy", "/terms", "/unsubscribe/")


class Standing(enum.StrEnum):
    FINE = "fine"
    DEAD = "dead"  # it says itself that there is nothing: 404, 410
    DOUBTFUL = "doubtful"  # not to us, or not now: 403, 429, 5xx, no answer in time


@dataclass(frozen=True)
class Answered:
    """What an address answered, and a sentence about it where it was not well."""

    standing: Standing
    said: str = ""


def is_asked(url: str) -> bool:
    """Whether an address is asked at all: any but those of our own pages."""
    path = links.path_of(url)
    return path == url or not (path.rstrip("/") == "" or path.startswith(_OURS))


def known(urls: Collection[str], now: datetime) -> dict[str, Answered]:
    """What these addresses answered, as far as it is known and still believed."""
    query = select(CheckedLink).where(CheckedLink.key.in_([_key(url) for url in urls]), _is_believed(now))
    return {row.url: _answered(row) for row in db.session.scalars(query)}


def check(urls: Collection[str]) -> int:
    """Ask those of the addresses of which nothing is known; how many. Owns its transactions, one an answer."""
    answered = known(urls, clock.now())
    wanted = [url for url in dict.fromkeys(urls) if url not in answered]
    db.session.rollback()
    for url, status, problem in _ask(wanted):
        row = {"key": _key(url), "url": url, "status": status, "problem": problem, "checked_at": clock.now()}
        # A later answer replaces an earlier one, whoever else asked.
        db.session.execute(delete(CheckedLink).where(CheckedLink.key == row["key"]))
        db.session.execute(db.insert(CheckedLink.__table__).values(row).on_conflict_do_nothing())
        db.session.commit()
    return len(wanted)


def doubt(urls: Collection[str]) -> None:
    """Believe nothing that was not well any more: an editor says it is mended."""
    keys = [_key(url) for url in urls]
    db.session.execute(delete(CheckedLink).where(CheckedLink.key.in_(keys), ~_is_well()))


def forget_old() -> int:
    """Delete what is no longer believed; how many."""
    deleted = db.session.execute(delete(CheckedLink).where(~_is_believed(clock.now())).returning(CheckedLink.key))
    return len(deleted.all())


def _ask(urls: list[str]) -> Iterator[tuple[str, int | None, str]]:
    """Several at a time, as their answers come: a slow one keeps no other waiting."""
    with ThreadPoolExecutor(settings.current().link_connections, thread_name_prefix="link") as threads:
        asked = {threads.submit(_status, url): url for url in urls}
        for done in as_completed(asked):
            yield (asked[done], *done.result())


def _status(url: str) -> tuple[int | None, str]:
    try:
        return fetching.status_of(url), ""
    except errors.FetchRefused as error:
        return None, error.message


def _answered(row: CheckedLink) -> Answered:
    if row.status is None:
        return Answered(Standing.DOUBTFUL, row.problem)
    if 200 <= row.status < 300:
        return Answered(Standing.FINE)
    phrase = HTTPStatus(row.status).phrase if row.status in list(HTTPStatus) else ""
    said = f"It answers {row.status}{f' ({phrase})' if phrase else ''}."
    return Answered(Standing.DEAD if row.status in _GONE else Standing.DOUBTFUL, said)


def _is_well() -> ColumnElement[bool]:
    return and_(CheckedLink.status.is_not(None), CheckedLink.status >= 200, CheckedLink.status < 300)


def _is_believed(now: datetime) -> ColumnElement[bool]:
    lifetime = settings.current().link_lifetime
    return or_(
        CheckedLink.checked_at > now - lifetime / _SOONER,
        and_(_is_well(), CheckedLink.checked_at > now - lifetime),
    )


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
