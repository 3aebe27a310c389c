"""Turning an approved issue into editions and one message a reader, page by page, and releasing them at once.

Both public functions own their transactions, as they render in between: commit first. An article never reaches a
reader twice because each page is judged again in the very transaction that adds its messages, and such transactions
take turns in the whole installation.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, text, update

from newsletter import clock, db, errors, settings
from newsletter.articles.models import Article
from newsletter.audience import readership
from newsletter.issues import figuring, freezing, lifecycle, matching, plates, runs
from newsletter.issues.freezing import Content
from newsletter.issues.matching import Matcher, Page
from newsletter.issues.models import Edition, EditionArticle, EditionPart, Issue, IssueState, OccurrenceState
from newsletter.issues.plates import Pressed
from newsletter.issues.selection import Selection
from newsletter.outbox import queue
from newsletter.outbox.models import Run, RunState
from newsletter.outbox.queue import Planned

# Any fixed number: the key of PostgreSQL's advisory lock by which planning takes turns. On SQLite the write lock does.
_TURN = 7_311_903_456


@dataclass
class _Work:
    """One planner's memory of the issue it plans."""

    issue_id: int
    frozen_hash: str
    content: Content
    matcher: Matcher
    dated_at: datetime
    is_automatic: bool
    after: int
    pressed: dict[str, Pressed] = field(default_factory=dict)


def plan(issue_id: int) -> None:
    """Plan an approved issue as far as there are readers now; goes on where an earlier planner stopped.

    Raises Conflict when it is not approved, changes meanwhile, or holds a withdrawn article (then it is held).
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
    _refuse_withdrawn(issue, content)
    run = runs.open_for(issue)
    work = _Work(
        issue_id,
        issue.frozen_hash,
        content,
        matching.matcher(issue, content),
        issue.send_at or clock.now(),
        issue.is_automatic,
        run.planned_to_id,
    )
    db.session.commit()
    return work


def _plan_page(work: _Work) -> bool:
    """Plan one page of readers; False when there are no more, or somebody else released the issue."""
    while True:
        run = _turn(work)
        if run is None:
            return False
        # Another planner of this issue may have been faster; we go on from where it is.
        work.after = run.planned_to_id
        page = _judge(work)
        missing = _missing(work, page) if page else []
        if not missing:
            break
        # Rendering and pressing take longer than all the rest: nobody waits for them. What readers have had may change
        # meanwhile, so the page is judged again.
        db.session.rollback()
        for selection in missing:
            work.pressed[selection.key] = plates.cast(
                work.issue_id, work.content, selection, dated_at=work.dated_at, is_automatic=work.is_automatic
            )
    if page:
        _store(work, run, page)
    db.session.commit()
    return page is not None


def _finish(work: _Work) -> bool:
    """Release the run and the issue in one commit; False when readers came meanwhile, or somebody else released it."""
    run = _turn(work)
    if run is None:
        return False
    if readership.page(work.matcher.newsletter_id, after=run.planned_to_id, limit=1, at=clock.now()):
        db.session.rollback()
        return False
    issue = db.session.get_one(Issue, work.issue_id)
    _refuse_withdrawn(issue, work.content)
    counted = db.session.scalar(select(func.sum(Edition.readers)).filter_by(issue_id=issue.id)) or 0
    if counted != run.planned:
        db.session.rollback()
        raise errors.Conflict(f"The editions count {counted} readers, but {run.planned} messages are planned.")
    if waiting := readership.unconfirmed(issue.newsletter_id):
        issue.left_out = {**issue.left_out, figuring.UNCONFIRMED: waiting}
    lifecycle.released(issue, actor="outbox")
    if issue.occurrence:
        issue.occurrence.state = OccurrenceState.DONE
    queue.release(run)
    db.session.commit()
    return True


def _judge(work: _Work) -> Page | None:
    return matching.page(work.matcher, after=work.after, limit=settings.current().planning_page, at=clock.now())


def _missing(work: _Work, page: Page) -> list[Selection]:
    """The page's selections that are neither pressed here nor stored by anybody."""
    wanted = {selection.key: selection for _, selection in page.chosen if selection.key not in work.pressed}
    stored = _stored(work.issue_id, wanted)
    return [selection for key, selection in wanted.items() if key not in stored]


def _stored(issue_id: int, keys: Iterable[str]) -> dict[str, int]:
    found = select(Edition.key, Edition.id).where(Edition.issue_id == issue_id, Edition.key.in_(list(keys)))
    return {row.key: row.id for row in db.session.execute(found)}


def _turn(work: _Work) -> Run | None:
    """Wait for our turn and make sure the issue is still what we plan; None when it was released meanwhile."""
    if db.session.get_bind().dialect.name == "postgresql":
        db.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN})
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


def _store(work: _Work, run: Run, page: Page) -> None:
    by_key = {selection.key: selection for _, selection in page.chosen}
    ids = _stored(work.issue_id, by_key)
    for key in by_key.keys() - ids.keys():
        ids[key] = _store_edition(work, by_key[key])
    rows = [Planned(reader.id, reader.address, ids[selection.key]) for reader, selection in page.chosen]
    if queue.add(run, rows) != len(rows):
        raise errors.Conflict("A reader was about to be planned twice. Nothing was sent.")
    _count_readers(rows)
    issue = db.session.get_one(Issue, work.issue_id)
    issue.left_out = dict(Counter(issue.left_out) + Counter(page.left_out))
    run.planned_to_id = work.after = page.last_id
    db.session.flush()


def _store_edition(work: _Work, selection: Selection) -> int:
    pressed = work.pressed.pop(selection.key)
    edition = Edition(
        issue_id=work.issue_id,
        key=selection.key,
        subject=pressed.subject,
        content_hash=pressed.plate.digest,
        plate=pressed.plate.packed,
        stories=[
            *(EditionArticle(article_id=story_id, part=EditionPart.STORY) for story_id in selection.story_ids),
            *(EditionArticle(article_id=story_id, part=EditionPart.READ_NEXT) for story_id in selection.read_next_ids),
        ],
    )
    db.session.add(edition)
    db.session.flush()
    return edition.id


def _count_readers(rows: list[Planned]) -> None:
    table: Any = Edition.__table__
    counted = Counter(row.ref for row in rows)
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


def _refuse_withdrawn(issue: Issue, content: Content) -> None:
    """Hold an issue that brings an article withdrawn since its approval; raises Conflict with the reason."""
    ids = [story.id for story in (*content.stories, *content.evergreens)]
    query = select(Article.headline).where(Article.id.in_(ids), Article.withdrawn_at.is_not(None))
    headline = db.session.scalars(query.limit(1)).first()
    if headline is not None:
        reason = f"“{headline}” was withdrawn after the approval. Return the issue to draft and approve it again."
        lifecycle.hold(issue, reason, actor="outbox")
        db.session.commit()
        raise errors.Conflict(reason)
