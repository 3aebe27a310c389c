"""An editor's or a piece of evidence's word on uncertain messages, kept in the audit."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from newsletter import db
from newsletter.audience.models import Subscription, SubscriptionState
from newsletter.issues import amendments, runs
from newsletter.issues.models import Issue
from newsletter.outbox import doubts
from newsletter.outbox.models import Message, MessageState, Run
from newsletter.staff import audit


@dataclass(frozen=True)
class Outcome:
    """Which messages moved, and which stayed, with the reason."""

    moved: list[int]
    stayed: dict[int, str]


def settle(
    message_ids: Sequence[int], *, as_: MessageState, evidence: str, actor: str, editor_id: int | None = None
) -> Outcome:
    """Settle uncertain messages as sent or bounced, on an editor's word or by evidence such as a click or a DSN."""
    moved = doubts.settle(message_ids, as_=as_, evidence=evidence)
    _record(moved, f"settled as {as_.value}", actor=actor, editor_id=editor_id, evidence=evidence)
    return _outcome(message_ids, moved, {})


def resend(message_ids: Sequence[int], *, actor: str, editor_id: int | None = None) -> Outcome:
    """Send uncertain messages again, but for readers who left meanwhile, and in words that are no longer right."""
    found = doubts.find(message_ids)
    stays = dict.fromkeys(_of_stale_editions(found), "its story was withdrawn or corrected since")
    stays |= dict.fromkeys(_of_readers_who_left(found), "its reader has left")
    moved = doubts.resend([each for each in message_ids if each not in stays])
    _record(moved, "sent again", actor=actor, editor_id=editor_id)
    return _outcome(message_ids, moved, stays)


def _of_readers_who_left(messages: Sequence[Message]) -> set[int]:
    """The messages of an issue whose reader no longer takes its newsletter."""
    by_run: dict[int, list[Message]] = {}
    for message in messages:
        by_run.setdefault(message.run_id, []).append(message)
    left: set[int] = set()
    for run_id, theirs in by_run.items():
        issue = _issue(run_id)
        if issue is not None:
            reading = _readers(issue.newsletter_id, [message.recipient_id for message in theirs])
            left |= {message.id for message in theirs if message.recipient_id not in reading}
    return left


def _of_stale_editions(messages: Sequence[Message]) -> set[int]:
    """The messages of an issue whose mail can only be sent as it was: the same Message-ID is the same mail."""
    issues = {run_id: _issue(run_id) for run_id in {message.run_id for message in messages}}
    stale = {run_id: set(amendments.stale_editions(issue.id)) for run_id, issue in issues.items() if issue}
    return {message.id for message in messages if message.ref in stale.get(message.run_id, ())}


def _readers(newsletter_id: int, subscriber_ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(subscriber_ids), 500):
        statement = select(Subscription.subscriber_id).where(
            Subscription.newsletter_id == newsletter_id,
            Subscription.state == SubscriptionState.CONFIRMED,
            Subscription.subscriber_id.in_(subscriber_ids[start : start + 500]),
        )
        found.update(db.session.scalars(statement))
    return found


def _record(moved: dict[int, list[int]], action: str, *, actor: str, editor_id: int | None, evidence: str = "") -> None:
    for run_id, ids in moved.items():
        issue = _issue(run_id)
        subject = f"issue {issue.id}" if issue else f"run {run_id}"
        after = {"messages": ids} | ({"evidence": evidence} if evidence else {})
        audit.record(actor, f"uncertain {action}", subject, after=after, editor_id=editor_id)


def _issue(run_id: int) -> Issue | None:
    run = db.session.get_one(Run, run_id)
    return db.session.get(Issue, run.ref) if run.kind == runs.KIND else None


def _outcome(asked: Sequence[int], moved: dict[int, list[int]], reasons: dict[int, str]) -> Outcome:
    done = sorted(each for ids in moved.values() for each in ids)
    stayed = {each: reasons.get(each, "") for each in sorted(set(asked) - set(done))}
    uncertain = {message.id for message in doubts.find(list(stayed))}
    return Outcome(
        done,
        {
            each: reason or ("its run was cancelled" if each in uncertain else "it is not uncertain")
            for each, reason in stayed.items()
        },
    )
