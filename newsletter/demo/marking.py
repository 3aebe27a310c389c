"""How everything the sample magazine brought is known again: one line in the audit log, and names nothing else has."""

from dataclasses import asdict, dataclass

from sqlalchemy import Select, or_, select

from newsletter import db
from newsletter.articles.models import Article, Picture
from newsletter.audience.models import Subscriber
from newsletter.demo import magazine, readers
from newsletter.issues.models import Issue
from newsletter.publication.models import Newsletter
from newsletter.staff import audit
from newsletter.staff.models import AuditEntry

ACTOR = "sample magazine"
PATH = "/sample/"
_SOURCE = "drawn:"
_BEGUN, _LOADED = "began loading", "loaded"


@dataclass(frozen=True)
class Marker:
    """What anybody could have made: slugs of topics and newsletters, ids of texts, the masthead's name."""

    topics: list[str]
    newsletters: list[str]
    documents: list[int]
    wordings: list[int]
    masthead: str
    is_complete: bool = False


def begin(marker: Marker) -> None:
    """Remember what is being loaded; flushed with it."""
    audit.record(ACTOR, _BEGUN, ACTOR, after=asdict(marker))


def complete() -> None:
    """Remember that all of it is there."""
    entry = _entry()
    if entry is not None:
        entry.action = _LOADED
        db.session.flush()


def find() -> Marker | None:
    """What was loaded, or None when no sample magazine is there."""
    entry = _entry()
    return Marker(**{**entry.after, "is_complete": entry.action == _LOADED}) if entry else None


def picture_source(name: str) -> str:
    """The source address that marks a picture as one of the drawings."""
    return _SOURCE + name


def newsletter_ids() -> Select[int]:
    """The ids of its newsletters."""
    marker = find()
    return select(Newsletter.id).where(Newsletter.slug.in_(marker.newsletters if marker else []))


def issue_ids() -> Select[int]:
    """The ids of every issue of its newsletters."""
    return select(Issue.id).where(Issue.newsletter_id.in_(newsletter_ids()))


def article_ids() -> Select[int]:
    """The ids of its articles, whatever base URL they were published under."""
    paths = [f"%{PATH}{story.slug}" for story in magazine.stories()]
    return select(Article.id).where(or_(*(Article.url.like(path) for path in paths)))


def picture_ids() -> Select[int]:
    """The ids of its pictures."""
    return select(Picture.id).where(Picture.source_url.startswith(_SOURCE))


def reader_ids() -> Select[int]:
    """The ids of its readers."""
    return select(Subscriber.id).where(Subscriber.address_key.endswith(f"@{readers.DOMAIN}"))


def _entry() -> AuditEntry | None:
    return next(iter(audit.of(ACTOR, limit=1)), None)
