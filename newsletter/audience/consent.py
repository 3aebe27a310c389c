"""What a person agreed to, how and when: lines that are only ever added."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, tuple_, update

from newsletter import clock, db, errors, settings
from newsletter.audience import agents, chain, proofs
from newsletter.audience.models import (
    ConsentDetail,
    ConsentKind,
    ConsentRecord,
    Part,
    Purpose,
    Subscriber,
    TermsAsk,
)
from newsletter.audience.wishes import Wish
from newsletter.publication import legal
from newsletter.publication.models import LegalDocument, LegalKind

# How an import without proof is written down: it asks for nothing to be sent, and waits to be asked.
UNPROVED = "unproved import"
TO_RECONFIRM = "to re-confirm"

# Made by proofs; the room's callers ask for it here.
proof = proofs.proof


@dataclass(frozen=True)
class Origin:
    """How and from where a person spoke; the channels are listed at models.ConsentRecord."""

    channel: str
    page: str = ""
    source_address: str = ""
    agent: str = ""


@dataclass(frozen=True)
class Shown:
    """The consent sentence a person read, spelled out, and the versions of the documents it named."""

    sentence: str
    language: str
    terms_version: int
    privacy_version: int


@dataclass(frozen=True)
class Entry:
    """One line to be written about a person."""

    subscriber_id: int
    address: str
    kind: ConsentKind
    origin: Origin
    wishes: Sequence[str] = ()
    language: str = "en"
    shown: Shown | None = None
    request_id: int | None = None
    note: str = ""
    purpose: Purpose = Purpose.NEWSLETTERS


def shown(language: str = "en") -> Shown:
    """What a form shows now; raises Refused while sign-up is closed."""
    worded = legal.wording(language)
    terms, privacy = legal.current(LegalKind.TERMS, language), legal.current(LegalKind.PRIVACY, language)
    if not legal.is_open(language) or not (worded and terms and privacy):
        raise errors.Refused(
            "Sign-up is not open yet: the magazine has not published its terms of use and privacy policy."
        )
    return Shown(legal.spelled_out(worded, terms, privacy), language, terms.version, privacy.version)


def last_shown(subscriber_id: int) -> Shown | None:
    """What a person last agreed to, or None where no form of ours was shown."""
    lines = select(ConsentRecord).where(
        ConsentRecord.subscriber_id == subscriber_id,
        ConsentRecord.kind == ConsentKind.CONFIRMED,
        ConsentRecord.purpose == Purpose.NEWSLETTERS,
        ConsentRecord.terms_version.is_not(None),
    )
    line = db.session.scalars(lines.order_by(ConsentRecord.number.desc()).limit(1)).first()
    if line is None or line.terms_version is None or line.privacy_version is None:
        return None
    return Shown(line.sentence, line.language, line.terms_version, line.privacy_version)


def record(  # noqa: PLR0913 - what a line says, each by name
    kind: ConsentKind,
    subscriber: Subscriber,
    wishes: Iterable[Wish],
    origin: Origin,
    *,
    shown: Shown | None = None,
    request_id: int | None = None,
    note: str = "",
    purpose: Purpose = Purpose.NEWSLETTERS,
) -> ConsentRecord:
    """Add one line about these wishes to the person's chain."""
    entry = Entry(
        subscriber_id=subscriber.id,
        address=subscriber.address,
        kind=kind,
        origin=origin,
        wishes=[wish.name for wish in wishes],
        language=subscriber.language,
        shown=shown,
        request_id=request_id,
        note=note,
        purpose=purpose,
    )
    number = record_all([entry])[0]
    db.session.refresh(subscriber, ["records_made"])
    return db.session.scalars(select(ConsentRecord).filter_by(subscriber_id=subscriber.id, number=number)).one()


def record_all(entries: Sequence[Entry]) -> list[int]:
    """Add a line for each entry in a few statements; returns their numbers in their persons' chains.

    Locks the persons until the transaction ends, so that two lines never follow the same one.
    """
    db.session.flush()
    heads = _heads({entry.subscriber_id for entry in entries})
    lines, details, numbers = [], [], []
    for entry in entries:
        made, previous = heads[entry.subscriber_id]
        line, beside = _written(entry, made + 1, previous)
        heads[entry.subscriber_id] = (made + 1, line["hash"])
        lines.append(line)
        details += beside
        numbers.append(made + 1)
    if lines:
        db.session.execute(insert(ConsentRecord), lines)
        made_now = [{"id": person, "records_made": head[0]} for person, head in heads.items()]
        db.session.execute(update(Subscriber), made_now)
    if details:
        db.session.execute(insert(ConsentDetail), details)
    for entry in entries:
        _answer_asks(entry)
    return numbers


def close(subscriber_ids: Sequence[int], *, channel: str) -> None:
    """End these persons' chains: a last line, and all that can be forgotten of the others is."""
    people = select(Subscriber.id).where(Subscriber.id.in_(subscriber_ids)).order_by(Subscriber.id)
    ids = list(db.session.scalars(people))
    record_all([Entry(person, "", ConsentKind.ERASED, Origin(channel)) for person in ids])
    db.session.execute(delete(ConsentDetail).where(ConsentDetail.subscriber_id.in_(ids)))


def forget_networks(now: datetime, *, limit: int = 5000) -> int:
    """Delete up to `limit` network details whose time is over; the short form and the chain stay."""
    due = select(ConsentDetail.subscriber_id, ConsentDetail.number).where(ConsentDetail.until_at < now).limit(limit)
    keys = db.session.execute(due).all()
    if keys:
        which = tuple_(ConsentDetail.subscriber_id, ConsentDetail.number).in_(keys)
        db.session.execute(delete(ConsentDetail).where(which, ConsentDetail.part == Part.NETWORK))
    return len(keys)


def _answer_asks(entry: Entry) -> None:
    """Agreeing to a version answers whoever asked for it, or for an earlier one."""
    if entry.kind is not ConsentKind.CONFIRMED or entry.shown is None or entry.purpose is not Purpose.NEWSLETTERS:
        return
    documents = select(LegalDocument.id).where(
        LegalDocument.kind == LegalKind.TERMS,
        LegalDocument.language == entry.shown.language,
        LegalDocument.version <= entry.shown.terms_version,
    )
    open_asks = update(TermsAsk).where(
        TermsAsk.subscriber_id == entry.subscriber_id,
        TermsAsk.answered_at.is_(None),
        TermsAsk.document_id.in_(documents),
    )
    db.session.execute(open_asks.values(answered_at=clock.now()), execution_options={"synchronize_session": False})


def _heads(ids: set[int]) -> dict[int, tuple[int, str]]:
    """How many lines each person has, and the hash of the last."""
    people = select(Subscriber.id, Subscriber.records_made).where(Subscriber.id.in_(ids)).order_by(Subscriber.id)
    made: dict[int, int] = dict(db.session.execute(people.with_for_update()).all())
    last = (
        select(ConsentRecord.subscriber_id, ConsentRecord.hash)
        .join(Subscriber, Subscriber.id == ConsentRecord.subscriber_id)
        .where(Subscriber.id.in_(ids), ConsentRecord.number == Subscriber.records_made)
    )
    hashes: dict[int, str] = dict(db.session.execute(last).all())
    return {person: (count, hashes.get(person, chain.START)) for person, count in made.items()}


def _written(entry: Entry, number: int, previous: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The columns of a line, and of the details beside it."""
    now, origin, seen = clock.now(), entry.origin, entry.shown
    beside = {
        Part.PERSON: {
            "address": entry.address,
            "page": origin.page,
            "note": entry.note,
            "network": agents.network(origin.source_address),
            "browser": agents.browser(origin.agent),
        },
        Part.NETWORK: {"source_address": origin.source_address, "agent": origin.agent},
    }
    kept = {part: chain.Detail(content) for part, named in beside.items() if (content := _said(named))}
    line: dict[str, Any] = {
        "subscriber_id": entry.subscriber_id,
        "number": number,
        "request_id": entry.request_id,
        "kind": entry.kind,
        "purpose": entry.purpose,
        "at": now,
        "sentence": seen.sentence if seen else "",
        "language": seen.language if seen else entry.language,
        "terms_version": seen.terms_version if seen else None,
        "privacy_version": seen.privacy_version if seen else None,
        "wishes": list(entry.wishes),
        "channel": origin.channel,
        "person_digest": kept[Part.PERSON].digest if Part.PERSON in kept else "",
        "network_digest": kept[Part.NETWORK].digest if Part.NETWORK in kept else "",
    }
    line["hash"] = chain.hash_of(line, previous)
    until = {Part.PERSON: None, Part.NETWORK: now + settings.current().network_details_lifetime}
    details = [
        {
            "subscriber_id": entry.subscriber_id,
            "number": number,
            "part": part,
            "salt": detail.salt,
            "content": dict(detail.content),
            "until_at": until[part],
        }
        for part, detail in kept.items()
    ]
    return line, details


def _said(content: Mapping[str, str]) -> dict[str, str]:
    # A database that refuses NUL must not refuse the consent.
    return {name: cut for name, text in content.items() if (cut := text.replace("\0", "")[:500])}
