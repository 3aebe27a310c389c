"""Files of readers that an editor brings: kept in pieces, looked through first, then taken in, and gone on with.

The pieces lie in the database, where every machine finds them; what a job has done stands in the file's row.
"""

import io
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from sqlalchemy import delete, select

from newsletter import clock, db, errors, jobs, milestones, settings
from newsletter.audience import importing, layouts, sheets
from newsletter.audience.importing import Choice, Report
from newsletter.audience.models import ImportState, ReaderImport, ReaderImportChunk, ReaderImportRefusal
from newsletter.outbox import paging

JOB = "import_readers"
UNDER_WAY = (ImportState.CHECKING, ImportState.IMPORTING)
PAGE = 50
_PIECE = 256 * 1024
_SAMPLE = 5


@dataclass(frozen=True)
class Progress:
    """How far a file is: rows done, of how many (None: not known yet), how fast, how long it will take."""

    done: int
    total: int | None
    rate: float
    left: timedelta | None


def bring(stream: BinaryIO, *, name: str, actor: str, choice: Choice) -> ReaderImport:
    """Keep a seekable file and have it looked through. Owns its transactions; raises BadInput for an unusable one."""
    layout = layouts.of(sheets.names(stream))
    found = ReaderImport(
        name=" ".join(name.split())[:200] or "readers.csv",
        actor=actor,
        choice={"newsletters": list(choice.newsletters), "topics": list(choice.topics)},
        layout=layout.name,
        created_at=clock.now(),
    )
    db.session.add(found)
    db.session.commit()
    # A piece a transaction: a large file holds up nobody who signs up meanwhile.
    for number, piece in enumerate(iter(lambda: stream.read(_PIECE), b"")):
        db.session.add(ReaderImportChunk(import_id=found.id, number=number, content=piece))
        found.size += len(piece)
        db.session.commit()
    found.state, found.began_at = ImportState.CHECKING, clock.now()
    jobs.defer(JOB, import_id=found.id)
    db.session.commit()
    return found


def begin(found: ReaderImport) -> None:
    """Take the readers of a file that was looked through in; raises Conflict for any other."""
    _require(found, ImportState.CHECKED)
    found.state, found.began_at, found.sample = ImportState.IMPORTING, clock.now(), []
    _forget_counts(found)
    jobs.defer(JOB, import_id=found.id)
    db.session.flush()


def discard(found: ReaderImport) -> None:
    """Forget a file that was looked through, and its report; raises Conflict for one under way or taken in."""
    _require(found, ImportState.CHECKED)
    db.session.delete(found)
    db.session.flush()


def get(import_id: int) -> ReaderImport:
    """The file of an id; raises NotFound."""
    found = db.session.get(ReaderImport, import_id)
    if found is None:
        raise errors.NotFound("There is no such import.")
    return found


def latest(*, before: int | None = None) -> list[ReaderImport]:
    """Up to PAGE files, the newest first, below the id `before`."""
    query = select(ReaderImport).order_by(ReaderImport.id.desc()).limit(PAGE)
    return list(db.session.scalars(query if before is None else query.where(ReaderImport.id < before)))


def refusals(import_id: int, *, after: int = 0, limit: int = PAGE) -> list[ReaderImportRefusal]:
    """The rows that were not taken, by their lines, past the line `after`."""
    return list(
        db.session.scalars(
            select(ReaderImportRefusal)
            .where(ReaderImportRefusal.import_id == import_id, ReaderImportRefusal.line > after)
            .order_by(ReaderImportRefusal.line)
            .limit(limit)
        )
    )


def every_refusal(import_id: int) -> Iterator[ReaderImportRefusal]:
    """All of them, read page by page."""
    after = 0
    while found := refusals(import_id, after=after, limit=1000):
        yield from found
        after = found[-1].line
        db.session.expunge_all()


def progress(found: ReaderImport) -> Progress:
    """How far a file is that is under way."""
    seconds = (clock.now() - found.began_at).total_seconds() if found.began_at else 0.0
    rate = found.rows_done / seconds if seconds > 0 else 0.0
    left = timedelta(seconds=(found.rows - found.rows_done) / rate) if rate and found.rows is not None else None
    return Progress(found.rows_done, found.rows, rate, left)


def waiting(_now: datetime) -> list[int]:
    """The files that are to be worked on."""
    query = select(ReaderImport.id).where(ReaderImport.state.in_(UNDER_WAY)).order_by(ReaderImport.id)
    return list(db.session.scalars(query))


def forget_abandoned(now: datetime) -> int:
    """Delete files nobody took in, or that did not arrive whole; what was taken in keeps its report."""
    query = select(ReaderImport).where(
        ReaderImport.state.in_((ImportState.CHECKED, ImportState.UPLOADING)),
        ReaderImport.created_at < now - settings.current().import_lifetime,
    )
    found = list(db.session.scalars(query))
    for each in found:
        db.session.delete(each)
    db.session.flush()
    return len(found)


def work(import_id: int) -> None:
    """Look through a file or take it in, batch by batch, from where it stands.

    Owns its transactions; harmless twice, and when two do it at once.
    """
    found = _restarted(import_id)
    if found is None:
        return
    state, done, seen = found.state, found.rows_done, set[str]()
    choice, size, pace = Choice(**found.choice), found.size, paging.Pace(importing.BATCH)
    db.session.commit()
    with io.BufferedReader(_Pieces(import_id, size)) as stream, closing(sheets.read(stream)) as every:
        layout = layouts.of(sheets.names(stream))
        rows = itertools.islice(every, done, None)
        while batch := list(itertools.islice(rows, importing.BATCH)):
            began = time.monotonic()
            locked = _locked(import_id, state, done)
            if locked is None:
                return
            report = Report()
            if state is ImportState.CHECKING:
                understood = importing.look(batch, layout, choice, report, seen)
                locked.sample = (list(locked.sample) + [asdict(each) for each in understood])[:_SAMPLE]
            else:
                importing.take(batch, layout, choice, report)
            done += len(batch)
            _keep(locked, report, done)
            db.session.commit()
            db.session.expunge_all()
            milestones.reached("import.after_chunk")
            pace.after(time.monotonic() - began)
        _end(import_id, state, done)


def _restarted(import_id: int) -> ReaderImport | None:
    """The file, if there is something to do; a look begins anew, as it must know every address it has seen."""
    found = db.session.scalars(select(ReaderImport).filter_by(id=import_id).with_for_update()).first()
    if found is None or found.state not in UNDER_WAY:
        db.session.rollback()
        return None
    if found.state is ImportState.CHECKING:
        found.sample = []
        _forget_counts(found)
    return found


def _locked(import_id: int, state: ImportState, done: int) -> ReaderImport | None:
    """The file, locked; None when somebody else is further, or it is gone."""
    query = select(ReaderImport).filter_by(id=import_id).with_for_update().execution_options(populate_existing=True)
    found = db.session.scalars(query).first()
    if found is None or found.state is not state or found.rows_done != done:
        db.session.rollback()
        return None
    return found


def _keep(found: ReaderImport, report: Report, done: int) -> None:
    found.rows_done = done
    found.new += report.new
    found.known += report.updated
    found.to_reconfirm += report.to_reconfirm
    found.stopped += report.stopped
    found.refused += len(report.refused)
    lines = [{"import_id": found.id, "line": line, "reason": reason} for line, reason in report.refused]
    if lines:
        db.session.execute(db.insert(ReaderImportRefusal.__table__).on_conflict_do_nothing(), lines)
    db.session.flush()


def _end(import_id: int, state: ImportState, done: int) -> None:
    found = _locked(import_id, state, done)
    if found is None:
        return
    found.rows = done
    if state is ImportState.CHECKING:
        found.state = ImportState.CHECKED
    else:
        found.state, found.ended_at = ImportState.DONE, clock.now()
        # What is taken in needs no second copy.
        db.session.execute(delete(ReaderImportChunk).where(ReaderImportChunk.import_id == import_id))
    db.session.commit()


def _forget_counts(found: ReaderImport) -> None:
    found.rows_done = found.new = found.known = found.to_reconfirm = found.refused = found.stopped = 0
    db.session.execute(delete(ReaderImportRefusal).where(ReaderImportRefusal.import_id == found.id))
    db.session.flush()


def _require(found: ReaderImport, state: ImportState) -> None:
    db.session.refresh(found, with_for_update=True)
    if found.state is not state:
        raise errors.Conflict("This file is under way, or was taken in already.")


class _Pieces(io.RawIOBase):
    """The file as it was brought, read from its pieces."""

    def __init__(self, import_id: int, size: int) -> None:
        self._import_id, self._size, self._at = import_id, size, 0
        self._number, self._content = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, offset = divmod(self._at, _PIECE)
        found = self._piece(number)[offset : offset + len(buffer)] if self._at < self._size else b""
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _piece(self, number: int) -> bytes:
        if number != self._number:
            query = select(ReaderImportChunk.content).filter_by(import_id=self._import_id, number=number)
            self._number, self._content = number, db.session.scalar(query) or b""
        return self._content


def describe(found: ReaderImport) -> dict[str, Any]:
    """What came, or would come, of a file, for the audit log and scripts."""
    counts: Sequence[str] = ("rows", "new", "known", "to_reconfirm", "refused", "stopped")
    return {"file": found.name, "layout": found.layout} | {name: getattr(found, name) for name in counts}
