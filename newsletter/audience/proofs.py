"""The proof of what one person agreed to: as data, and as a document to print that holds the texts themselves."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from newsletter import db, errors
from newsletter.audience import addresses, verifying
from newsletter.audience.models import (
    ConsentDetail,
    ConsentRecord,
    Part,
    Subscriber,
    Subscription,
    SubscriptionState,
)
from newsletter.mail import looks, templates
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.publication import legal, masthead
from newsletter.publication.models import LegalDocument, LegalKind, Newsletter, Topic


def proof(address: str) -> dict[str, Any]:
    """Everything agreed to from one address, JSON-able, times in ISO 8601 UTC; raises BadInput or NotFound.

    {"address", "state": pending | confirmed | ended, "subscriptions": [...], "records": [...], "chain": {...},
    "documents": [each text a record names, in full]} (GDPR 7(1)).
    """
    parsed = addresses.parse(address)
    subscriber = db.session.scalars(select(Subscriber).filter_by(address_key=parsed.key)).first()
    if subscriber is None:
        raise errors.NotFound(_unknown(parsed.key))
    subscriptions = _subscriptions(subscriber)
    records = _records(subscriber)
    problems = verifying.problems_of(subscriber.id)
    return {
        "address": subscriber.address,
        "state": _state({each["state"] for each in subscriptions}),
        "language": subscriber.language,
        "subscriptions": subscriptions,
        "records": records,
        "chain": {
            "reader": subscriber.id,
            "records": len(records),
            "last_hash": records[-1]["hash"] if records else "",
            "is_whole": not problems,
            "problems": problems,
        },
        "documents": [_told_document(document) for document in _documents(records)],
    }


def document(address: str) -> str:
    """The same proof as one page of HTML to print, always the same bytes; raises BadInput or NotFound."""
    return templates.fragment(
        "proof/document.html",
        {
            "look": looks.of(masthead.current()),
            "language": "en",
            "proof": proof(address),
            "instant": _instant,
            "legal_text": legal.to_html,
        },
    )


def style_digest(page: str) -> str:
    """The digest by which a content security policy lets a document's own style in (CSP 3, 6.7.2.2)."""
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    return base64.b64encode(hashlib.sha256(style[1].encode() if style else b"").digest()).decode()


def _instant(text: str | None) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S") if text else "–"


def _unknown(key: str) -> str:
    found = suppression.find(key)
    if found is not None and found.reason is SuppressionReason.ERASURE:
        day = found.created_at.date().isoformat()
        return f"This address was erased on {day} at its owner's wish. Nothing else is kept about it."
    return "Nothing is known about this address."


def _subscriptions(subscriber: Subscriber) -> list[dict[str, Any]]:
    held = db.session.execute(
        select(Subscription, Newsletter.slug, Topic.slug)
        .join(Newsletter, Newsletter.id == Subscription.newsletter_id)
        .join(Topic, Topic.id == Subscription.topic_id)
        .filter(Subscription.subscriber_id == subscriber.id)
        .order_by(Subscription.id)
    )
    return [_told_subscription(row, newsletter, topic) for row, newsletter, topic in held]


def _records(subscriber: Subscriber) -> list[dict[str, Any]]:
    lines = select(ConsentRecord).filter_by(subscriber_id=subscriber.id).order_by(ConsentRecord.number)
    details = db.session.scalars(select(ConsentDetail).filter_by(subscriber_id=subscriber.id))
    beside = {(each.number, each.part): each for each in details}
    return [
        _told_record(line, {part: beside.get((line.number, part)) for part in Part})
        for line in db.session.scalars(lines)
    ]


def _state(states: set[str]) -> str:
    for state in (SubscriptionState.CONFIRMED, SubscriptionState.PENDING):
        if state in states:
            return state.value
    return SubscriptionState.ENDED.value


def _told_subscription(row: Subscription, newsletter: str, topic: str) -> dict[str, Any]:
    return {
        "newsletter": newsletter,
        "topic": topic,
        "state": row.state.value,
        "created_at": row.created_at.isoformat(),
        "confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }


def _told_record(line: ConsentRecord, beside: Mapping[Part, ConsentDetail | None]) -> dict[str, Any]:
    person, network = beside[Part.PERSON], beside[Part.NETWORK]
    kept, whole = (person.content if person else {}), (network.content if network else {})
    return {
        "number": line.number,
        "kind": line.kind.value,
        "purpose": line.purpose.value,
        "at": line.at.isoformat(),
        "sentence": line.sentence,
        "language": line.language,
        "terms_version": line.terms_version,
        "privacy_version": line.privacy_version,
        "wishes": line.wishes,
        "channel": line.channel,
        "address": kept.get("address", ""),
        "page": kept.get("page", ""),
        # Whole while it is kept, then what is left of it.
        "source_address": whole.get("source_address") or kept.get("network", ""),
        "agent": whole.get("agent") or kept.get("browser", ""),
        "request_id": line.request_id,
        "note": kept.get("note", ""),
        "hash": line.hash,
        "details": {
            part.value: {
                "digest": digest,
                "salt": found.salt if found else "",
                "content": found.content if found else {},
            }
            for part, digest, found in (
                (Part.PERSON, line.person_digest, person),
                (Part.NETWORK, line.network_digest, network),
            )
            if digest
        },
    }


def _documents(records: Sequence[Mapping[str, Any]]) -> Iterable[LegalDocument]:
    """The texts that the records name, once each, in the order of their publication."""
    named = {
        (kind, record[f"{kind.value}_version"], record["language"])
        for record in records
        for kind in LegalKind
        if record[f"{kind.value}_version"] is not None
    }
    # A broken chain may name what never was: the proof then shows the rest.
    found = [
        each
        for kind, language in {(kind, language) for kind, _, language in named}
        for each in legal.versions(kind, language)
    ]
    return sorted(
        (each for each in found if (each.kind, each.version, each.language) in named), key=lambda each: each.id
    )


def _told_document(found: LegalDocument) -> dict[str, Any]:
    return {
        "kind": found.kind.value,
        "version": found.version,
        "language": found.language,
        "title": found.title,
        "published_at": found.published_at.isoformat(),
        "sha256": found.sha256,
        "markdown": found.markdown,
    }
