"""Everything that is kept about a person, for that person, as data (GDPR 15 and 20)."""

from typing import Any

from sqlalchemy import select

from newsletter import clock, db
from newsletter.audience import consent
from newsletter.audience.models import LinkRequest, SignupRequest, Subscriber
from newsletter.issues import runs
from newsletter.issues.models import Edition, Issue
from newsletter.outbox import suppression
from newsletter.outbox.models import Message, Run


def export(subscriber_id: int) -> dict[str, Any]:
    """A reader's data, JSON-able, times in ISO 8601 UTC."""
    reader = db.session.get_one(Subscriber, subscriber_id)
    proof = consent.proof(reader.address)
    stopped = suppression.find(reader.address_key)
    return {
        "exported_at": clock.now().isoformat(),
        "address": reader.address,
        "language": reader.language,
        "time_zone": reader.zone,
        "known_since": reader.created_at.isoformat(),
        "paused_until": reader.paused_until.isoformat() if reader.paused_until else None,
        "personal_measurement": reader.is_measured,
        "state": proof["state"],
        "subscriptions": proof["subscriptions"],
        "consent": proof["records"],
        "documents": proof["documents"],
        "requests": _requests(reader.id),
        "mails": _issues(reader.id) + _others(reader.address_key),
        "not_written_to": None
        if stopped is None
        else {"reason": stopped.reason.value, "since": stopped.created_at.isoformat()},
    }


def _requests(subscriber_id: int) -> list[dict[str, Any]]:
    signups = db.session.scalars(
        select(SignupRequest).filter_by(subscriber_id=subscriber_id).order_by(SignupRequest.id)
    )
    links = db.session.scalars(select(LinkRequest).filter_by(subscriber_id=subscriber_id).order_by(LinkRequest.id))
    told = [("sign-up", each) for each in signups] + [(each.kind.value, each) for each in links]
    return [
        {
            "kind": kind,
            "at": each.created_at.isoformat(),
            "used_at": each.used_at.isoformat() if each.used_at else None,
        }
        for kind, each in told
    ]


def _issues(subscriber_id: int) -> list[dict[str, Any]]:
    found = db.session.execute(
        select(Message, Issue.number, Edition.subject)
        .join(Run, Run.id == Message.run_id)
        .join(Issue, Issue.id == Run.ref)
        .join(Edition, Edition.id == Message.ref)
        .where(Run.kind == runs.KIND, Message.recipient_id == subscriber_id)
        .order_by(Message.id)
    )
    return [{**_mail(message), "issue": number, "subject": subject} for message, number, subject in found]


def _others(key: str) -> list[dict[str, Any]]:
    found = db.session.execute(
        select(Message, Run.kind)
        .join(Run, Run.id == Message.run_id)
        .where(Run.kind != runs.KIND, Message.address_key == key)
        .order_by(Message.id)
    )
    return [{**_mail(message), "kind": kind} for message, kind in found]


def _mail(message: Message) -> dict[str, Any]:
    return {
        "address": message.address,
        "queued_at": message.created_at.isoformat(),
        "state": message.state.value,
        "settled_at": message.settled_at.isoformat() if message.settled_at else None,
    }
