"""What becomes of issues as time passes: opened, warned of, approved or held at their time, found due.

Every function flushes and is harmless twice; the tick calls them in the order they stand here and commits between.
"""

from datetime import datetime

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import contains_eager

from newsletter import db, settings
from newsletter.articles.models import Feed, FeedMapping
from newsletter.issues import composing, lifecycle, moments, preflight, telling
from newsletter.issues.models import OPEN_DATES, Issue, IssueState, Occurrence, OccurrenceState
from newsletter.publication.models import Approval, Newsletter
from newsletter.staff import notices

ACTOR = "scheduler"

_BUSY = "Another issue of {title} was still open at its time."
_LATE = "It was to go on {time}, more than {hours} hours ago. Choose a new time, or send it now."
_UNAPPROVED = "Nobody approved it before its time, {time}."
_LEFT_OPEN = "Its issue was still open when the next one was due; the next one has its stories."


def feeds_to_ask(newsletter: Newsletter, now: datetime) -> list[int]:
    """The active feeds that may bring the newsletter's topics and were not polled just now."""
    recently = now - settings.current().release_ahead
    carried = select(FeedMapping.feed_id).where(FeedMapping.topic_id.in_([topic.id for topic in newsletter.topics]))
    query = select(Feed.id).where(
        Feed.is_active, Feed.id.in_(carried), or_(Feed.fetched_at.is_(None), Feed.fetched_at <= recently)
    )
    return list(db.session.scalars(query.order_by(Feed.id)))


def compose_for(occurrence: Occurrence, now: datetime) -> Issue | None:
    """Give an open occurrence its issue: the newsletter's open one brought up to date, or a new one.

    None while an issue that has a time of its own is in the way; if that lasts beyond the due time, the date is missed.
    None as well when another scheduler was faster.
    """
    db.session.refresh(occurrence, with_for_update=True)
    taken = select(Issue.id).filter_by(occurrence_id=occurrence.id)
    if not occurrence.state.is_open or db.session.scalar(taken) is not None:
        return None
    newsletter = occurrence.newsletter
    issue = composing.open_issue(newsletter)
    if issue and (_has_own_time(issue) or _goes_first(issue, occurrence, now)):
        _give_way(occurrence, newsletter, now)
        return None
    if issue is None or issue.state is IssueState.DRAFT or issue.held_reason:
        issue = composing.compose(newsletter, now=now, is_automatic=True)
    _attach(issue, occurrence)
    if now - occurrence.due_at > settings.current().max_lateness:
        _hold(issue, _late(issue))
        occurrence.state, occurrence.note = OccurrenceState.MISSED, "It was due while nothing ran."
    elif newsletter.approval is not Approval.NONE and now < occurrence.due_at - settings.current().approval_deadline:
        # Later than that, `warn` says it.
        telling.opened(issue)
    db.session.flush()
    return issue


def warn(now: datetime) -> list[int]:
    """Tell who may approve, once, of each draft that waits for an approval and is soon to go; the issues' ids."""
    until = now + settings.current().approval_deadline
    query = _drafts().where(Issue.send_at > now, Issue.send_at <= until)
    warned = []
    for issue in db.session.scalars(query).all():
        if telling.due_soon(issue):
            warned.append(issue.id)
    return warned


def settle_drafts(now: datetime) -> list[int]:
    """Decide on drafts whose time has come: approved by the newsletter's rule, else held; the held issues' ids."""
    held = []
    for issue in db.session.scalars(_ours(_drafts().where(Issue.send_at <= now))).all():
        reason = _reason_to_hold(issue, now)
        if reason:
            _hold(issue, reason)
            held.append(issue.id)
            if issue.occurrence:
                issue.occurrence.state, issue.occurrence.note = OccurrenceState.DONE, reason
        else:
            lifecycle.approve_unseen(issue, actor=ACTOR, note=preflight.unchecked(issue))
    db.session.flush()
    return held


def due(now: datetime) -> list[int]:
    """Approved and scheduled issues whose time has come; those that are too late are held instead."""
    found = []
    for issue in db.session.scalars(_ours(_ready().where(Issue.send_at <= now))).all():
        if issue.send_at and now - issue.send_at > settings.current().max_lateness:
            _hold(issue, _late(issue))
            if issue.occurrence:
                issue.occurrence.state, issue.occurrence.note = OccurrenceState.DONE, issue.held_reason
        else:
            found.append(issue.id)
    db.session.flush()
    return found


def soon(now: datetime) -> list[int]:
    """Approved and scheduled issues that may be planned already, so that they leave on the dot."""
    until = now + settings.current().release_ahead
    return [issue.id for issue in db.session.scalars(_ready().where(Issue.send_at > now, Issue.send_at <= until))]


def tell_missed(occurrences: list[Occurrence]) -> None:
    """Tell the editors once which dates of a newsletter passed while nothing ran."""
    by_newsletter: dict[int, list[Occurrence]] = {}
    for each in occurrences:
        by_newsletter.setdefault(each.newsletter_id, []).append(each)
    for newsletter_id, missed in by_newsletter.items():
        newsletter = missed[0].newsletter
        dates = ", ".join(f"{each.local_on:%d %B %Y}" for each in missed)
        notices.tell(
            f"missed:{newsletter_id}:{missed[-1].local_on}",
            subject=f"{newsletter.title} did not appear",
            text=f"Nothing ran on {dates}. At most one issue is caught up after such a time.",
            circle=notices.Circle(newsletter_id),
        )


def _drafts() -> Select[Issue]:
    """Drafts the calendar or an editor gave a time; without those it has decided on already."""
    undecided = or_(Occurrence.state.in_(OPEN_DATES), and_(Issue.occurrence_id.is_(None), Issue.held_reason == ""))
    return (
        select(Issue)
        .outerjoin(Issue.occurrence)
        .options(contains_eager(Issue.occurrence))
        .where(Issue.state == IssueState.DRAFT, Issue.send_at.is_not(None), undecided)
        .order_by(Issue.send_at, Issue.id)
    )


def _ready() -> Select[Issue]:
    return (
        select(Issue)
        .where(Issue.state.in_(lifecycle.READY), Issue.send_at.is_not(None), Issue.held_reason == "")
        .order_by(Issue.send_at, Issue.id)
    )


def _ours(query: Select[Issue]) -> Select[Issue]:
    """Without what another scheduler, or a planner, has in hand at this moment."""
    locked = query.with_for_update(of=Issue, skip_locked=True)
    return locked.execution_options(populate_existing=True)


def _has_own_time(issue: Issue) -> bool:
    return issue.state in lifecycle.READY and issue.send_at is not None and not issue.held_reason


def _goes_first(issue: Issue, occurrence: Occurrence, now: datetime) -> bool:
    """Whether an open draft belongs to an earlier date that is not decided yet: moved close, it keeps its own issue."""
    other = issue.occurrence
    if other is None or not other.state.is_open:
        return False
    return other.due_at < occurrence.due_at and now < occurrence.due_at


def _give_way(occurrence: Occurrence, newsletter: Newsletter, now: datetime) -> None:
    if occurrence.due_at <= now:
        occurrence.state = OccurrenceState.MISSED
        occurrence.note = _BUSY.format(title=newsletter.title)
        notices.tell(
            f"busy:{newsletter.id}:{occurrence.local_on}",
            subject=f"{newsletter.title} did not appear",
            text=f"{occurrence.note} Nothing was sent for {occurrence.local_on:%d %B %Y}.",
            circle=notices.Circle(newsletter.id),
        )
        db.session.flush()


def _attach(issue: Issue, occurrence: Occurrence) -> None:
    before = issue.occurrence
    if before is not None and before.id != occurrence.id and before.state.is_open:
        before.state, before.note = OccurrenceState.MISSED, _LEFT_OPEN
    issue.occurrence, issue.send_at = occurrence, occurrence.due_at
    db.session.flush()


def _reason_to_hold(issue: Issue, now: datetime) -> str:
    """Why a draft may not go by itself, in a sentence; empty when its newsletter's rule lets it."""
    assert issue.send_at is not None  # noqa: S101 - _drafts asks for it
    if now - issue.send_at > settings.current().max_lateness:
        return _late(issue)
    # An editor's time on an edited issue is a wish for the approved one, never leave to send the draft.
    by_rule = issue.newsletter.approval is Approval.NONE or issue.newsletter.sends_unapproved
    if issue.occurrence is None or not by_rule:
        return _UNAPPROVED.format(time=moments.said(issue.send_at, issue.newsletter.zone))
    return composing.too_few(issue) or ("" if issue.stories else "It has no stories.") or _harm(issue)


def _harm(issue: Issue) -> str:
    """What preflight found that an editor must mend first."""
    found = preflight.exactly(issue).blocks
    return f"It would do harm as it is. {found[0].said}" if found else ""


def _hold(issue: Issue, reason: str) -> None:
    lifecycle.hold(issue, reason, actor=ACTOR)
    telling.held(issue, reason)


def _late(issue: Issue) -> str:
    assert issue.send_at is not None  # noqa: S101 - asked of issues whose time has come
    hours = round(settings.current().max_lateness.total_seconds() / 3600)
    return _LATE.format(time=moments.said(issue.send_at, issue.newsletter.zone), hours=hours)
