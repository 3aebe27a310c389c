"""Putting the sample magazine into an empty database, stage by stage, so that rendering never holds the write lock."""

from sqlalchemy import delete, select

from newsletter import clock, db, errors, settings
from newsletter.articles import pictures, publishing
from newsletter.audience.models import ConsentRecord, Subscriber
from newsletter.demo import history, joining, magazine, marking, removing
from newsletter.feedback import counting
from newsletter.publication import legal, masthead, newsletters, topics
from newsletter.publication.models import Approval, LegalDocument, LegalKind, Masthead, Newsletter, NewsletterKind
from newsletter.publication.newsletters import Calendar, Plan


def load() -> dict[str, int]:
    """Load the sample magazine and count what it brought; harmless when it is there. Owns its transactions.

    Raises Conflict in production, and in a database with newsletters or readers of its own. One that was
    interrupted is begun anew.
    """
    marker = marking.find()
    if marker is not None and marker.is_complete:
        return counts()
    if not settings.current().is_development:
        raise errors.Conflict(
            "The sample magazine is for trying things out: its readers are invented and its texts are placeholders. "
            "It is loaded in development only (NEWSLETTER_ENV=development)."
        )
    if marker is not None:
        removing.remove()
    _refuse_unless_empty()
    _publish_magazine()
    db.session.commit()
    _publish_stories()
    joining.join()
    db.session.commit()
    history.tell()
    counting.catch_up(seconds=60)
    marking.complete()
    db.session.commit()
    return counts()


def remove() -> dict[str, int]:
    """Take the sample magazine away again, and nothing else; counts what went. Owns its transaction."""
    return removing.remove()


def counts() -> dict[str, int]:
    """How much of the sample magazine there is."""
    marker = marking.find()
    found = {"topics": len(marker.topics), "newsletters": len(marker.newsletters)} if marker else {}
    ours = {"articles": marking.article_ids(), "readers": marking.reader_ids(), "issues": marking.issue_ids()}
    return found | {name: len(db.session.scalars(ids).all()) for name, ids in ours.items()}


def _refuse_unless_empty() -> None:
    for model in (Newsletter, Subscriber):
        if db.session.scalar(select(model.id).limit(1)) is not None:
            db.session.rollback()
            raise errors.Conflict(
                "This database has newsletters or readers of its own. The sample magazine is only for an empty one."
            )


def _publish_magazine() -> None:
    sample = magazine.magazine()
    new_topics = [slug for slug in sample.topics if topics.find(slug) is None]
    has_masthead = db.session.scalar(select(Masthead.id)) is not None
    if not has_masthead:
        masthead.save(masthead.Plan(sample.name, sample.tagline, accent=sample.accent, fonts=sample.fonts))
    for slug in new_topics:
        topics.add(slug, sample.topics[slug])
    documents = _publish_texts()
    wording = legal.word_consent(sample.consent) if legal.wording() is None else None
    for paper in sample.newsletters:
        _publish_paper(paper, list(sample.topics))
    _choose_default(next(paper.slug for paper in sample.newsletters if paper.is_default))
    marking.begin(
        marking.Marker(
            topics=new_topics,
            newsletters=[paper.slug for paper in sample.newsletters],
            documents=[document.id for document in documents],
            wordings=[wording.id] if wording else [],
            masthead="" if has_masthead else sample.name,
        )
    )


def _publish_texts() -> list[LegalDocument]:
    """Terms in two versions and a privacy policy, in place of placeholders nobody has agreed to."""
    if db.session.scalar(select(ConsentRecord.id).limit(1)) is None:
        db.session.execute(delete(LegalDocument).where(LegalDocument.is_placeholder))
    now, published = clock.now(), []
    for kind, title, name, age in (
        (LegalKind.TERMS, "Terms of Use", "terms-1", joining.FIRST_TERMS),
        (LegalKind.PRIVACY, "Privacy Policy", "privacy-1", joining.FIRST_TERMS),
        (LegalKind.TERMS, "Terms of Use", "terms-2", joining.SECOND_TERMS),
    ):
        with clock.standing_at(now - age):
            # A sample's texts open nobody's sign-up in production.
            text = magazine.text(name)
            published.append(legal.publish(kind, title=title, markdown=text, is_placeholder=True))
    return published


def _publish_paper(paper: magazine.Paper, carried: list[str]) -> None:
    plan = Plan(
        title=paper.title,
        topics=carried,
        calendar=Calendar(paper.days, paper.at, paper.zone),
        promise=paper.promise,
        kind=NewsletterKind(paper.kind),
        approval=Approval(paper.approval),
    )
    newsletters.save(paper.slug, plan).created_at = clock.now() - joining.FIRST_TERMS


def _choose_default(slug: str) -> None:
    for newsletter in newsletters.all():
        newsletter.is_default = False
    # The database allows no two defaults, not even for a moment.
    db.session.flush()
    newsletters.get(slug).is_default = True
    db.session.flush()


def _publish_stories() -> None:
    now, base_url = clock.now(), settings.current().base_url
    for story in magazine.stories():
        # Encoded before anything is written: image work never holds the write lock.
        encoded = pictures.encode(_drawing(story.picture)) if story.picture else None
        with clock.standing_at(now - story.age):
            article = publishing.publish(_draft(story, base_url)).article
            article.is_evergreen = story.is_evergreen
            if encoded:
                article.picture = pictures.store(encoded, source_url=marking.picture_source(story.picture))
        db.session.commit()


def _drawing(name: str) -> bytes:
    return (magazine.PICTURES / f"{name}.jpg").read_bytes()


def _draft(story: magazine.Story, base_url: str) -> publishing.Draft:
    return publishing.Draft(
        url=f"{base_url}{marking.PATH}{story.slug}",
        headline=story.headline,
        dek=story.dek,
        body_html=story.body_html,
        author=story.author,
        published_at=clock.now(),
        language="en",
        topics=story.topics,
        hypes=story.hypes,
        comments=story.comments,
        picture_alt=story.alt,
    )
