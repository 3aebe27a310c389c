"""Turning an approved issue into editions and one message a reader, page by page, and releasing them at once.

Both public functions own their transactions, as they render in between: commit first. An article never reaches a
reader twice because each page is judged again in the very transaction that adds its messages, and such transactions
take turns in the whole installation.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)

from newsletter import clock, db, errors, milestones, settings
from newsletter.audience import readership
from newsletter.issues import amendments, figuring, freezing, lifecycle, matching, plates, runs
from newsletter.issues.freezing import Content
from newsletter.issues.matching import Judgement, Matcher, Page
from newsletter.issues.models import Edition, Issue, IssueState, OccurrenceState
from newsletter.issues.plates import Pressed
from newsletter.issues.selection import Selection
from newsletter.outbox import queue
from newsletter.outbox.models import Run, RunState
from newsletter.outbox.paging import Pace

# Any fixed number: the key of PostgreSQL's advisory lock by which planning takes turns. On SQLite the write lock does.
_TURN = 7_311_903_456

# A page of readers and what was chosen for each signature, while their transaction lasts. Held in the database, a
# million readers never become a million Python objects; held at all, the readers judged are the readers written to.
_TEMPORARY = MetaData()
_PAGE = Table(
    "planning_page",
    _TEMPORARY,
    Column("reader_id", Integer, autoincrement=False),
    Column("address", Text),
    Column("address_key", Text),
    Column("signature", Text),
    # SQLite keeps the rows in this order for nothing; PostgreSQL sorts them in a quarter of what an index would cost.
    PrimaryKeyConstraint("reader_id").ddl_if(dialect="sqlite"),
    prefixes=["TEMPORARY"],
)
_CHOICE = Table(
    "planning_choice",
    _TEMPORARY,
    Column("signature", Text, primary_key=True),
    Column("edition_id", Integer),
    prefixes=["TEMPORARY"],
)


@dataclass
class _Work:
    """One planner's memory of the issue it plans."""

    issue_id: int
    frozen_hash: str
    content: Content
    matcher: Matcher
    dated_at: datetime
    is_automatic: bool
    pace: Pace
    pressed: dict[str, Pressed] = field(default_factory=dict)


def plan(issue_id: int) -> None:
    """Plan an approved issue as far as there are readers now; goes on where an earlier planner stopped.

    Raises Conflict when it is not approved, changes meanwhile, or a story was withdrawn or corrected (it is held).
    """
    work = _begin(issue_id)
    while work and _plan_page(work):
        pass


def release(issue_id: int) -> bool:
    """Plan the issue and, in one commit, let all its messages go. Released already: nothing happens, and it is False.

    Raises Conflict like `plan`, or when the messages do not add up to the readers of its editions.
    """
    while work := _begin(issue_id):
        while _plan_page(work):
            pass
        if _finish(work):
            return True
    return False


def wait_for_turn() -> None:
    """Have what readers have had to oneself until the end of the transaction; SQLite's write lock is that already."""
    if db.session.get_bind().dialect.name == "postgresql":
        db.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN})


def _begin(issue_id: int) -> _Work | None:
    """Read what is to be planned, opening the run; None when the issue is released."""
    db.session.rollback()
    issue = _locked(issue_id)
    if issue.state is IssueState.RELEASED:
        db.session.rollback()
        return None
    if issue.state not in lifecycle.READY:
        shown = lifecycle.shown_state(issue)
        db.session.rollback()
        raise errors.Conflict(f"Only an approved issue can be sent. This issue is {shown}.")
    content = freezing.content(issue)
    _refuse_stale(issue, content)
    runs.open_for(issue)
    work = _Work(
        issue_id,
        issue.frozen_hash,
        content,
        matching.matcher(issue, content),
        issue.send_at or clock.now(),
        issue.is_automatic,
        Pace(settings.current().planning_page),
    )
    db.session.commit()
    milestones.reached("plan.begin")
    return work


def _plan_page(work: _Work) -> bool:
    """Plan one page of readers; False when there are no more, or somebody else released the issue."""
    while True:
        run = _turn(work)
        if run is None:
            return False
        began = time.monotonic()
        # Another planner of this issue may have been faster; we go on from where it is.
        page = matching.page(work.matcher, after=run.planned_to_id, limit=work.pace.limit, at=clock.now())
        if page is None:
            db.session.rollback()
            return False
        judged = _judge(work, page)
        missing = _missing(work, judged)
        if not missing:
            break
        # Rendering and pressing take longer than all the rest: nobody waits for them. What readers have had may change
        # meanwhile, so the page is judged again.
        db.session.rollback()
        for selection in missing:
            work.pressed[selection.key] = plates.cast(
                work.issue_id, work.content, selection, dated_at=work.dated_at, is_automatic=work.is_automatic
            )
    _store(work, run, page, judged)
    db.session.commit()
    milestones.reached("plan.page")
    work.pace.after(time.monotonic() - began)
    return True


def _finish(work: _Work) -> bool:
    """Release the run and the issue in one commit; False when readers came meanwhile, or somebody else released it."""
    waiting = readership.unconfirmed(work.matcher.newsletter_id)
    db.session.rollback()
    milestones.reached("plan.before_release")
    run = _turn(work)
    if run is None:
        return False
    if readership.stretch(work.matcher.newsletter_id, after=run.planned_to_id, limit=1):
        db.session.rollback()
        return False
    issue = db.session.get_one(Issue, work.issue_id)
    _refuse_stale(issue, work.content)
    counted = db.session.scalar(select(func.sum(Edition.readers)).filter_by(issue_id=issue.id)) or 0
    if counted != run.planned:
        db.session.rollback()
        raise errors.Conflict(f"The editions count {counted} readers, but {run.planned} messages are planned.")
    if waiting:
        issue.left_out = {**issue.left_out, figuring.UNCONFIRMED: waiting}
    lifecycle.released(issue, actor="outbox")
    if issue.occurrence:
        issue.occurrence.state = OccurrenceState.DONE
    queue.release(run)
    db.session.commit()
    milestones.reached("plan.after_release")
    return True


def _judge(work: _Work, page: Page) -> Judgement:
    """Hold the page in a table of this transaction, and judge what stands there."""
    _TEMPORARY.create_all(db.session.connection(), checkfirst=False)
    db.session.execute(insert(_PAGE).from_select(list(_PAGE.c.keys()), page.readers))
    return matching.judge(work.matcher, _PAGE)


def _missing(work: _Work, judged: Judgement) -> list[Selection]:
    """The page's selections that are neither pressed here nor stored by anybody."""
    wanted = {each.key: each for each in judged.chosen.values() if each.key not in work.pressed}
    stored = _stored(work.issue_id, wanted)
    return [selection for key, selection in wanted.items() if key not in stored]


def _stored(issue_id: int, keys: Iterable[str]) -> dict[str, int]:
    found = select(Edition.key, Edition.id).where(Edition.issue_id == issue_id, Edition.key.in_(list(keys)))
    return {row.key: row.id for row in db.session.execute(found)}


def _turn(work: _Work) -> Run | None:
    """Wait for our turn and make sure the issue is still what we plan; None when it was released meanwhile."""
    wait_for_turn()
    issue = _locked(work.issue_id)
    run = runs.find(issue)
    if issue.state is IssueState.RELEASED:
        db.session.rollback()
        return None
    if issue.state not in lifecycle.READY or issue.frozen_hash != work.frozen_hash:
        db.session.rollback()
        raise errors.Conflict("The issue was changed while it was being planned. Nothing was sent.")
    if run is None or run.state is not RunState.PLANNING:
        db.session.rollback()
        raise errors.Conflict("The planned messages were discarded meanwhile. Nothing was sent.")
    return run


def _store(work: _Work, run: Run, page: Page, judged: Judgement) -> None:
    by_key = {selection.key: selection for selection in judged.chosen.values()}
    ids = _stored(work.issue_id, by_key)
    for key in by_key.keys() - ids.keys():
        ids[key] = _store_edition(work, by_key[key])
    edition_ids = {signature: ids[selection.key] for signature, selection in judged.chosen.items()}
    if _add(run, edition_ids) != sum(judged.readers.values()):
        raise errors.Conflict("The messages of a page are not as many as its readers. Nothing was sent.")
    _count_readers(edition_ids, judged.readers)
    issue = db.session.get_one(Issue, work.issue_id)
    issue.left_out = dict(Counter(issue.left_out) + Counter(judged.left_out))
    run.planned_to_id = page.last_id
    db.session.flush()
    _TEMPORARY.drop_all(db.session.connection(), checkfirst=False)


def _add(run: Run, edition_ids: Mapping[str, int]) -> int:
    """Write the messages of the page held; how many."""
    if not edition_ids:
        return 0
    rows = [{"signature": signature, "edition_id": edition_id} for signature, edition_id in edition_ids.items()]
    db.session.execute(insert(_CHOICE), rows)
    # The signature as an expression is no key SQLite could walk the choices first by, which would write the messages
    # all over the index; PostgreSQL joins by hash.
    chosen = _PAGE.join(_CHOICE, _CHOICE.c.signature == _PAGE.c.signature.concat(""))
    planned = select(
        _PAGE.c.reader_id.label("recipient_id"),
        _PAGE.c.address,
        _PAGE.c.address_key,
        _CHOICE.c.edition_id.label("ref"),
    )
    return queue.add_from(run, planned.select_from(chosen).order_by(_PAGE.c.reader_id))


def _store_edition(work: _Work, selection: Selection) -> int:
    pressed = work.pressed.pop(selection.key)
    return plates.store(work.issue_id, selection.key, work.content, selection, pressed)


def _count_readers(edition_ids: Mapping[str, int], readers: Mapping[str, int]) -> None:
    table: Any = Edition.__table__
    counted = Counter[int]()
    for signature, edition_id in edition_ids.items():
        counted[edition_id] += readers[signature]
    if counted:
        db.session.execute(
            update(table).where(table.c.id == bindparam("edition")).values(readers=table.c.readers + bindparam("new")),
            [{"edition": edition_id, "new": count} for edition_id, count in counted.items()],
        )


def _locked(issue_id: int) -> Issue:
    issue = db.session.get(Issue, issue_id, with_for_update=True, populate_existing=True)
    if issue is None:
        db.session.rollback()
        raise errors.NotFound(f"There is no issue {issue_id}.")
    return issue


def _refuse_stale(issue: Issue, content: Content) -> None:
    """Hold an issue that brings an article withdrawn or corrected since its approval; raises Conflict with why."""
    reason = amendments.of(content).reason
    if reason:
        lifecycle.hold(issue, reason, actor="outbox")
        db.session.commit()
        raise errors.Conflict(reason)
