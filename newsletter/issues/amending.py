"""How an issue goes on whose stories were withdrawn or corrected after its approval.

Not released, it is a draft again. Being sent, its messages that wait move to corrected editions once that is approved;
what a body was written for keeps the edition it had.
"""

import hashlib
import time
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy import select, update

from newsletter import clock, db, errors, settings
from newsletter.issues import amendments, composing, corrections, editing, freezing, lifecycle, plates, runs, selection
from newsletter.issues.amendments import Amended, Amendment
from newsletter.issues.editing import Hand
from newsletter.issues.freezing import Content, FrozenStory
from newsletter.issues.models import Edition, Issue, IssueApproval, IssueState
from newsletter.issues.selection import Selection
from newsletter.outbox import readdressing, tally
from newsletter.outbox.models import MessageState, Run, RunState
from newsletter.outbox.paging import Pace
from newsletter.staff import audit

log = structlog.get_logger()

NOTHING_LEFT = "its only stories were withdrawn"


@dataclass(frozen=True)
class Proposal:
    """What a paused issue would say corrected, and the hash by which it is approved."""

    amended: Amended
    hash: str
    approved_by: list[str]
    needed: int
    is_under_way: bool  # approved; its messages are being moved


@dataclass(frozen=True)
class Standing:
    """What of an issue is no longer right, and, of one being sent, the correction it waits for."""

    amended: Amended
    proposal: Proposal | None

    @property
    def changes(self) -> list[tuple[Amendment, list[tuple[str, str, str]]]]:
        """Each story with its fields that read otherwise now: name, as frozen, as corrected; none: it is gone."""
        now = {story.id: story for story in (*self.amended.content.stories, *self.amended.content.evergreens)}
        return [
            (each, [] if each.withdrawn else _differences(each.story, now[each.story.id]))
            for each in self.amended.amendments
        ]


@dataclass(frozen=True)
class Reach:
    """How far an article came with an issue: readers counted by what became of their message."""

    had: int = 0
    leaving: int = 0
    waiting: int = 0
    deferred: int = 0
    uncertain: int = 0
    never: int = 0  # bounced, expired, skipped, cancelled


def reach(issue: Issue, article_id: int) -> Reach:
    """The counts of one article; what was sent is what its editions were made for without the rest."""
    run = runs.find(issue)
    if run is None:
        return Reach()
    made_for = dict(corrections.editions_with(issue, article_id))
    if not made_for:
        return Reach()
    found = tally.counts_of(run, list(made_for), planned=sum(made_for.values()))
    is_cancelled = run.state is RunState.CANCELLED
    open_ = 0 if is_cancelled else found[MessageState.QUEUED] + found[MessageState.CLAIMED]
    deferred = 0 if is_cancelled else found[MessageState.DEFERRED]
    known = found[MessageState.SENT] + found[MessageState.SENDING] + open_ + deferred + found[MessageState.UNCERTAIN]
    return Reach(
        had=found[MessageState.SENT],
        leaving=found[MessageState.SENDING],
        waiting=open_,
        deferred=deferred,
        uncertain=found[MessageState.UNCERTAIN],
        never=sum(found.values()) - known,
    )


def go_on(issue: Issue, hand: Hand) -> Issue:
    """Open a held issue again without what was withdrawn: lead and subject by the rules, and a new approval.

    Raises Conflict when nothing of it was withdrawn or corrected.
    """
    editing.hold_as_seen(issue, hand)
    if issue.state not in lifecycle.READY:
        raise errors.Conflict(f"This issue is {lifecycle.shown_state(issue)}: there is nothing to go on with.")
    old = freezing.content(issue)
    amended = amendments.of(old)
    if not amended.amendments:
        raise errors.Conflict("No story of this issue was withdrawn or corrected since it was approved.")
    before = {"hash": issue.frozen_hash, "subject": _subject(old)}
    lifecycle.return_to_draft(issue, actor=hand.actor, editor_id=hand.editor_id, reason=amended.reason)
    issue.subject, issue.subject_lead_id = amended.content.subject, amended.content.subject_lead_id
    issue.held_reason = composing.too_few(issue)
    db.session.flush()
    now = freezing.content(issue)
    after = {"hash": freezing.digest(now), "subject": _subject(now)}
    _record(hand, "goes on without it", issue, before, after)
    return issue


def standing(issue: Issue) -> Standing | None:
    """What an issue that is not released or paused waits for; None when all its words are right."""
    if issue.state in lifecycle.READY:
        amended = amendments.of(freezing.content(issue))
        return Standing(amended, None) if amended.amendments else None
    found = proposal(issue)
    return Standing(found.amended, found) if found else None


def proposal(issue: Issue) -> Proposal | None:
    """The correction that a paused issue waits for; None when no message of it waits in words that are not right."""
    run = runs.find(issue)
    if issue.state is not IssueState.RELEASED or run is None or run.state is not RunState.PAUSED:
        return None
    if not issue.correction_hash and not readdressing.has_open(run, amendments.stale_editions(issue.id)):
        return None
    amended = amendments.of(freezing.content(issue))
    digest = freezing.digest(amended.content)
    given = [each.actor for each in issue.approvals if each.frozen_hash == digest]
    return Proposal(
        amended, digest, given, lifecycle.NEEDED[issue.newsletter.approval], issue.correction_hash == digest
    )


def approve(issue: Issue, seen_hash: str, hand: Hand, *, resumes: bool = True) -> bool:
    """Approve a paused issue's correction; True when it has all the approvals it needs, and `carry_out` is to follow.

    Raises Conflict when it is not the one that was seen, nothing is to be corrected, or this person approved already.
    """
    db.session.refresh(issue, with_for_update=True)
    found = proposal(issue)
    if found is None:
        raise errors.Conflict("No mail of this issue waits for a correction.")
    if found.hash != seen_hash:
        raise errors.Conflict("The correction has changed since you looked. Look at it once more, then decide.")
    if found.is_under_way:
        raise errors.Conflict("This correction is approved already. Its mails are being changed.")
    theirs = [each for each in issue.approvals if each.frozen_hash == found.hash]
    if any(lifecycle.is_by(each, actor=hand.actor, editor_id=hand.editor_id) for each in theirs):
        raise errors.Conflict("You have approved this correction already. It needs somebody else as well.")
    issue.approvals.append(
        IssueApproval(editor_id=hand.editor_id, actor=hand.actor, frozen_hash=found.hash, at=clock.now())
    )
    is_complete = len(theirs) + 1 >= found.needed
    if is_complete:
        issue.correction_hash, issue.correction_resumes = found.hash, resumes
    db.session.flush()
    done = "correction approved" if is_complete else "correction approved in part"
    after = {"hash": found.hash, "subject": _subject(found.amended.content), "reason": found.amended.reason}
    _record(hand, done, issue, {"hash": issue.frozen_hash, "subject": _subject(freezing.content(issue))}, after)
    return is_complete


def waiting(now: datetime) -> list[int]:  # noqa: ARG001 - as the tick asks every room
    """The issues whose approved correction is still to be carried out."""
    return list(db.session.scalars(select(Issue.id).where(Issue.correction_hash != "").order_by(Issue.id)))


def carry_out(issue_id: int) -> bool:
    """Move the messages that wait to the approved corrected editions, and let the issue go on if that was said.

    Owns its transactions, goes on where an earlier one stopped, and is harmless twice. False while a message is on the
    wire that may come back: the next tick tries again. Raises Conflict when there is something new to approve.
    """
    work = _begin(issue_id)
    if work is None:
        return True
    for edition_id, left in work.editions.items():
        work.targets[edition_id] = _target(work, left) if left.story_ids else None
    for state in (MessageState.QUEUED, MessageState.DEFERRED):
        after = 0
        while (last := _move_page(work, state, after)) is not None:
            after = last
    return _finish(work)


@dataclass
class _Work:
    """A correction being carried out: what each edition that is no longer right keeps, and where its messages go."""

    issue_id: int
    hash: str
    amended: Amended
    dated_at: datetime
    is_automatic: bool
    editions: dict[int, Selection]
    pace: Pace
    targets: dict[int, int | None] = field(default_factory=dict)


def _begin(issue_id: int) -> _Work | None:
    db.session.rollback()
    issue, run = _locked(issue_id)
    if run is None or not issue.correction_hash:
        db.session.rollback()
        return None
    amended = amendments.of(freezing.content(issue))
    stale = amendments.stale_editions(issue.id)
    found = db.session.execute(select(Edition.id, Edition.selection).where(Edition.id.in_(stale))).all()
    whole = {row.id: selection.read(row.selection) for row in found if row.selection is not None}
    problem = ""
    if freezing.digest(amended.content) != issue.correction_hash:
        problem = "Something else was withdrawn or corrected meanwhile. Approve the correction anew."
    elif run.state is not RunState.PAUSED:
        problem = f"Only a paused issue can be corrected; this is {lifecycle.shown_state(issue)}."
    elif len(whole) < len(stale):
        problem = "It was released by an older version, which did not keep what a correction needs. Cancel the rest."
    if problem:
        issue.correction_hash = ""
        db.session.commit()
        raise errors.Conflict(problem)
    order = [story.id for story in amended.content.stories]
    left = {each: selection.without(whole[each], amended.withdrawn_ids, order) for each in stale}
    dated_at, pace = issue.send_at or clock.now(), Pace(settings.current().sweep_page)
    work = _Work(issue.id, issue.correction_hash, amended, dated_at, issue.is_automatic, left, pace)
    db.session.commit()
    return work


def _target(work: _Work, left: Selection) -> int:
    """The corrected edition of a selection, pressed with no transaction open if nobody has made it yet."""
    key = hashlib.sha256(f"{left.key}:{work.hash}".encode()).hexdigest()
    stored = select(Edition.id).where(Edition.issue_id == work.issue_id, Edition.key == key)
    found = db.session.scalar(stored)
    db.session.rollback()
    if found is not None:
        return found
    pressed = plates.cast(
        work.issue_id, work.amended.content, left, dated_at=work.dated_at, is_automatic=work.is_automatic
    )
    _turn(work)
    found = db.session.scalar(stored)
    if found is None:
        found = plates.store(work.issue_id, key, work.amended.content, left, pressed)
    db.session.commit()
    return found


def _move_page(work: _Work, state: MessageState, after: int) -> int | None:
    """Move one page of messages that wait in `state`; the last id looked at, None when there are no more."""
    run = _turn(work)
    began = time.monotonic()
    page = readdressing.unsent(run, state, after=after, limit=work.pace.limit)
    by_ref: dict[int, list[int]] = {}
    for message_id, ref in page:
        if ref in work.targets:
            by_ref.setdefault(ref, []).append(message_id)
    for ref, ids in by_ref.items():
        target = work.targets[ref]
        if target is None:
            readdressing.skip(run, ids, from_ref=ref, reason=NOTHING_LEFT)
            continue
        moved = readdressing.readdress(run, ids, from_ref=ref, to_ref=target)
        for edition_id, by in ((ref, -moved), (target, moved)):
            db.session.execute(update(Edition).where(Edition.id == edition_id).values(readers=Edition.readers + by))
    db.session.commit()
    work.pace.after(time.monotonic() - began)
    return page[-1][0] if page else None


def _finish(work: _Work) -> bool:
    run = _turn(work)
    if readdressing.has_open(run, list(work.editions)):
        # A body is on the wire, or its worker died: it ends, or comes back and is moved.
        db.session.rollback()
        return False
    issue = db.session.get_one(Issue, work.issue_id)
    resumes = issue.correction_resumes
    issue.correction_hash, issue.correction_resumes = "", False
    audit.record(
        "outbox",
        "correction carried out",
        f"issue {issue.id}",
        before={"hash": issue.frozen_hash, "editions": sorted(work.editions)},
        after={"hash": work.hash, "editions": sorted({each for each in work.targets.values() if each})},
    )
    if resumes:
        lifecycle.resume(issue, actor="outbox")
    db.session.commit()
    log.info("issue_corrected", issue_id=work.issue_id, editions=len(work.editions))
    return True


def _turn(work: _Work) -> Run:
    """The run, with the issue locked and still to be corrected to just this."""
    issue, run = _locked(work.issue_id)
    if run is None or run.state is not RunState.PAUSED or issue.correction_hash != work.hash:
        db.session.rollback()
        raise errors.Conflict("This correction was carried out, or the issue cancelled, meanwhile.")
    return run


def _locked(issue_id: int) -> tuple[Issue, Run | None]:
    issue = db.session.get(Issue, issue_id, with_for_update=True, populate_existing=True)
    if issue is None:
        db.session.rollback()
        raise errors.NotFound(f"There is no issue {issue_id}.")
    run = runs.find(issue)
    if run is not None:
        db.session.refresh(run)
    return issue, run


def _differences(before: FrozenStory, after: FrozenStory) -> list[tuple[str, str, str]]:
    fields = (("Headline", "headline"), ("Dek", "dek"), ("Address", "url"), ("Picture in words", "alt"))
    pairs = [(label, getattr(before, name), getattr(after, name)) for label, name in fields]
    return [(label, old, new) for label, old, new in pairs if old != new]


def _subject(content: Content) -> str:
    """What the issue's first mail would be headed."""
    return content.subject or next((story.headline for story in content.stories), "")


def _record(hand: Hand, action: str, issue: Issue, before: dict[str, str], after: dict[str, str]) -> None:
    audit.record(hand.actor, action, f"issue {issue.id}", before=before, after=after, editor_id=hand.editor_id)
