"""Asking readers to agree to new terms by a date: the only publishing that ever stops anyone, and only after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, insert, select

from newsletter import clock, db, errors, settings, signing
from newsletter.audience import consent, subscriptions, wishes
from newsletter.audience.consent import Origin, Shown
from newsletter.audience.models import (
    ConsentKind,
    ConsentRecord,
    Subscriber,
    Subscription,
    SubscriptionState,
    TermsAsk,
)
from newsletter.outbox import queue
from newsletter.outbox.models import Policy, Run, RunState
from newsletter.publication import legal
from newsletter.publication.models import LegalDocument, LegalKind, LegalWay, Newsletter

MAIL = "agreement"
_PURPOSE = "terms"
_PAGE = 1000


@dataclass(frozen=True)
class Asked:
    """What a reader is asked: which document, at which address, and whether they have answered."""

    document: LegalDocument
    address: str
    is_answered: bool


def count(language: str) -> int:
    """How many readers would be asked: those with a confirmed subscription whose language it is."""
    # Newsletter by newsletter the index has them in their order: half the time with a million.
    walked = Subscription.newsletter_id.in_(select(Newsletter.id))
    confirmed = select(Subscription.subscriber_id).where(Subscription.state == SubscriptionState.CONFIRMED, walked)
    readers = select(func.count()).where(Subscriber.language == language, Subscriber.id.in_(confirmed))
    return db.session.scalar(readers) or 0


def publish(*, title: str, markdown: str, language: str, ask_by_at: datetime, readers: int | None) -> LegalDocument:
    """Publish new terms that readers must agree to by an instant; `readers` is their number as somebody typed it.

    Raises BadInput, or Conflict when the number is another one.
    """
    counted = count(language)
    if readers != counted:
        raise errors.Conflict(
            f"This asks {counted} readers, and stops who has not agreed by then. Type {counted} to go on."
        )
    return legal.publish(
        LegalKind.TERMS, title=title, markdown=markdown, language=language, way=LegalWay.ASKED, ask_by_at=ask_by_at
    )


def ask_page() -> int:
    """Ask the next readers who are to be asked, a page of them; 0 when all were. The door commits after each page."""
    documents = select(LegalDocument).filter_by(way=LegalWay.ASKED).order_by(LegalDocument.id)
    for document in db.session.scalars(documents.where(LegalDocument.ask_by_at > clock.now())):
        run = queue.open_run(MAIL, document.id, policy=Policy.RETRY, lifetime=settings.current().agreement_expiry)
        if run.state is not RunState.PLANNING:
            continue
        page = _unasked(document, after=run.planned_to_id)
        if page:
            asks = [
                {"document_id": document.id, "subscriber_id": reader, "asked_at": clock.now()} for reader, _ in page
            ]
            db.session.execute(insert(TermsAsk), asks)
            queue.add(run, [queue.Planned(reader, address) for reader, address in page])
            run.planned_to_id = page[-1][0]
            db.session.flush()
            return len(page)
        queue.release(run)
    return 0


def subject(run: Run) -> str:
    """What a run of these mails asks, in a line for the desk."""
    document = db.session.get_one(LegalDocument, run.ref)
    return f"Asking readers to agree to {document.title}, version {document.version}"


def token(document_id: int, subscriber_id: int) -> str:
    """The token of a reader's link to agree, always the same one."""
    return signing.sign_numbers(_PURPOSE, (document_id, subscriber_id))


def look_at(token: str) -> Asked:
    """What the link asks, changing nothing; raises BadToken."""
    ask, reader = _ask(token)
    return Asked(db.session.get_one(LegalDocument, ask.document_id), reader.address, ask.answered_at is not None)


def agree(token: str, shown: Shown, origin: Origin) -> Asked:
    """Record that a reader agrees to what was `shown`, for all they get; harmless twice. Raises BadToken."""
    ask, reader = _ask(token)
    subscriptions.locked_reader(reader.id)
    db.session.refresh(ask)
    if ask.answered_at is None:
        held = wishes.of_keys(sorted(subscriptions.held(reader, SubscriptionState.CONFIRMED)))
        consent.record(ConsentKind.CONFIRMED, reader, held, origin, shown=shown)
        db.session.refresh(ask)
    return Asked(db.session.get_one(LegalDocument, ask.document_id), reader.address, ask.answered_at is not None)


def is_unanswered(at: Any) -> ColumnElement[bool]:
    """Whether a Subscriber of the statement around has not agreed to terms whose date is past at an instant."""
    return exists().where(
        TermsAsk.subscriber_id == Subscriber.id,
        TermsAsk.answered_at.is_(None),
        LegalDocument.id == TermsAsk.document_id,
        LegalDocument.ask_by_at <= at,
    )


def _ask(token: str) -> tuple[TermsAsk, Subscriber]:
    match signing.read_numbers(_PURPOSE, token):
        case [document_id, subscriber_id]:
            ask = db.session.get(TermsAsk, (document_id, subscriber_id))
            reader = db.session.get(Subscriber, subscriber_id)
            if ask is not None and reader is not None:
                return ask, reader
    raise errors.BadToken


def _unasked(document: LegalDocument, *, after: int) -> Sequence[tuple[int, str]]:
    """The next readers who have not agreed to this version already."""
    agreed = exists().where(
        ConsentRecord.subscriber_id == Subscriber.id,
        ConsentRecord.kind == ConsentKind.CONFIRMED,
        ConsentRecord.language == document.language,
        ConsentRecord.terms_version >= document.version,
    )
    # One by one, since SQLite would make a list of them all anew for every page; and from there on, since PostgreSQL
    # would walk to it from the first.
    confirmed = exists().where(
        Subscription.subscriber_id == Subscriber.id,
        Subscription.subscriber_id > after,
        Subscription.state == SubscriptionState.CONFIRMED,
    )
    page = (
        select(Subscriber.id, Subscriber.address)
        .where(Subscriber.language == document.language, confirmed, Subscriber.id > after, ~agreed)
        .order_by(Subscriber.id)
        .limit(_PAGE)
    )
    return db.session.execute(page).all()
