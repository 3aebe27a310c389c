"""Taking the sample magazine away: what it brought, what was made of it since, and nothing anybody else uses."""

from collections.abc import Sequence

from sqlalchemy import Select, delete, exists, or_, select

from newsletter import db, settings
from newsletter.articles.models import Article, ArticleTopic, FeedMapping, Picture, Rendition
from newsletter.audience import consent
from newsletter.audience.models import ConsentRecord, Subscriber, Subscription
from newsletter.demo import marking, readers
from newsletter.demo.marking import Marker
from newsletter.feedback.models import GrowthDay
from newsletter.issues import runs
from newsletter.issues.models import Edition, EditionArticle, Issue, IssueApproval, IssueArticle, Occurrence
from newsletter.outbox.models import Message, Run, Suppression
from newsletter.publication import legal, newsletters
from newsletter.publication.models import (
    ConsentWording,
    Holiday,
    LegalDocument,
    Masthead,
    Newsletter,
    NewsletterTopic,
    Topic,
)
from newsletter.staff.models import AuditEntry, Notice


def remove() -> dict[str, int]:
    """Take it away and count what went; nothing where it is not. Owns its transaction.

    A newsletter somebody else subscribed to stays, as does a topic or article that is used elsewhere. The lines of its
    readers' consent stay without their details, and with them the texts they name: nothing takes those away.
    """
    marker = marking.find()
    if marker is None:
        return {}
    gone = {
        "issues": _remove_issues(),
        "readers": _remove_readers(),
        "articles": _remove_articles(),
        "newsletters": _remove_newsletters(marker),
        "topics": _remove_topics(marker),
    }
    _remove_texts(marker)
    if not db.session.scalar(select(exists(select(Subscriber.id)))):
        # The growth of a sample is no history of the house that begins now; how far it is counted stays.
        db.changed(delete(GrowthDay))
    db.changed(delete(AuditEntry).where(AuditEntry.subject == marking.ACTOR))
    db.session.expire_all()
    if settings.current().is_development:
        legal.publish_placeholders()
    db.session.commit()
    return gone


def _remove_issues() -> int:
    ids = db.session.scalars(marking.issue_ids()).all()
    its_runs = select(Run.id).where(Run.kind == runs.KIND, Run.ref.in_(ids))
    editions = select(Edition.id).where(Edition.issue_id.in_(ids))
    for statement in (
        delete(Message).where(Message.run_id.in_(its_runs)),
        delete(Run).where(Run.kind == runs.KIND, Run.ref.in_(ids)),
        delete(EditionArticle).where(EditionArticle.edition_id.in_(editions)),
        delete(Edition).where(Edition.issue_id.in_(ids)),
        delete(IssueArticle).where(IssueArticle.issue_id.in_(ids)),
        delete(IssueApproval).where(IssueApproval.issue_id.in_(ids)),
        delete(Notice).where(Notice.issue_id.in_(ids)),
        delete(AuditEntry).where(AuditEntry.subject.in_([f"issue {issue_id}" for issue_id in ids])),
        delete(Issue).where(Issue.id.in_(ids)),
        delete(Occurrence).where(Occurrence.newsletter_id.in_(marking.newsletter_ids())),
    ):
        db.changed(statement)
    return len(ids)


def _remove_readers() -> int:
    ids, domain = marking.reader_ids(), f"@{readers.DOMAIN}"
    db.changed(delete(Message).where(Message.address_key.endswith(domain)))
    db.changed(delete(Suppression).where(Suppression.address.endswith(domain)))
    found = _ids(ids)
    # The lines of a chain stay for ever; what they say of nobody in particular stays with them.
    consent.close(found, channel="retention")
    return db.changed(delete(Subscriber).where(Subscriber.id.in_(found)))


def _remove_articles() -> int:
    used = or_(
        exists().where(IssueArticle.article_id == Article.id),
        exists().where(EditionArticle.article_id == Article.id),
        exists().where(Issue.subject_lead_id == Article.id),
    )
    gone = db.changed(delete(Article).where(Article.id.in_(_ids(marking.article_ids())), ~used))
    unused = select(Picture.id).where(
        Picture.id.in_(_ids(marking.picture_ids())), ~exists().where(Article.picture_id == Picture.id)
    )
    pictures = _ids(unused)
    db.changed(delete(Rendition).where(Rendition.picture_id.in_(pictures)))
    db.changed(delete(Picture).where(Picture.id.in_(pictures)))
    return gone


def _remove_newsletters(marker: Marker) -> int:
    taken = exists().where(Subscription.newsletter_id == Newsletter.id)
    ids = _ids(select(Newsletter.id).where(Newsletter.slug.in_(marker.newsletters), ~taken))
    db.changed(delete(NewsletterTopic).where(NewsletterTopic.newsletter_id.in_(ids)))
    db.changed(delete(Holiday).where(Holiday.newsletter_id.in_(ids)))
    gone = db.changed(delete(Newsletter).where(Newsletter.id.in_(ids)))
    left = newsletters.all()
    if left and newsletters.default() is None:
        left[0].is_default = True
        db.session.flush()
    return gone


def _remove_topics(marker: Marker) -> int:
    links = (NewsletterTopic, ArticleTopic, FeedMapping, Subscription)
    used = or_(*(exists().where(link.topic_id == Topic.id) for link in links))
    return db.changed(delete(Topic).where(Topic.slug.in_(marker.topics), ~used))


def _remove_texts(marker: Marker) -> None:
    db.changed(delete(Masthead).where(Masthead.name == marker.masthead))
    # Whoever agreed to a text can ask to see it: then all of them stay.
    if db.session.scalar(select(ConsentRecord.id).limit(1)) is None:
        db.changed(delete(LegalDocument).where(LegalDocument.id.in_(marker.documents)))
        db.changed(delete(ConsentWording).where(ConsentWording.id.in_(marker.wordings)))


def _ids(query: Select[int]) -> Sequence[int]:
    return db.session.scalars(query).all()
