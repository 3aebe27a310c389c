"""What has become of an issue's stories since its content was frozen: withdrawn, or corrected by an editor."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select

from newsletter import db
from newsletter.articles import correcting
from newsletter.articles.models import Article, ArticleCorrection
from newsletter.issues.freezing import Content, FrozenStory
from newsletter.issues.models import Edition, EditionArticle

# The names of a frozen story's fields, where they are not those of the article's.
_FROZEN = {"picture_alt": "alt"}


@dataclass(frozen=True)
class Amendment:
    """One story that is not as it was frozen; `withdrawn` or else corrected, when and why."""

    story: FrozenStory
    withdrawn: bool
    at: datetime
    reason: str

    def __str__(self) -> str:
        done = "withdrawn" if self.withdrawn else "corrected"
        return f"“{self.story.headline}” was {done} after the approval{f': {self.reason}' if self.reason else '.'}"


@dataclass(frozen=True)
class Amended:
    """A content as it should read now, and what of it differs from what was frozen: of its stories, of evergreens."""

    content: Content
    of_stories: Sequence[Amendment] = ()
    of_evergreens: Sequence[Amendment] = ()

    @property
    def amendments(self) -> list[Amendment]:
        return [*self.of_stories, *self.of_evergreens]

    @property
    def reason(self) -> str:
        """Why the frozen content may not go, in sentences; empty: it may."""
        told = [each if each.endswith((".", "!", "?")) else f"{each}." for each in map(str, self.amendments[:3])]
        more = len(self.amendments) - len(told)
        return " ".join([*told, f"And {more} more."] if more else told)

    @property
    def withdrawn_ids(self) -> set[int]:
        return {each.story.id for each in self.amendments if each.withdrawn}


def of(content: Content) -> Amended:
    """The content without what was withdrawn, in the words of the corrections that it does not know."""
    frozen = (*content.stories, *content.evergreens)
    withdrawn = _withdrawn([story.id for story in frozen])
    corrections: dict[int, list[ArticleCorrection]] = {}
    for each in correcting.since({story.id: story.correction_id for story in frozen}):
        corrections.setdefault(each.article_id, []).append(each)
    if not withdrawn and not corrections:
        return Amended(content)

    def amended(stories: Sequence[FrozenStory]) -> tuple[FrozenStory, ...]:
        return tuple(_corrected(each, corrections.get(each.id, [])) for each in stories if each.id not in withdrawn)

    def told(stories: Sequence[FrozenStory]) -> list[Amendment]:
        return [found for each in stories if (found := _amendment(each, withdrawn, corrections))]

    retitled = {
        story_id for story_id, theirs in corrections.items() if any("headline" in each.after for each in theirs)
    }
    # An editor's own subject was written for its lead as that was.
    keeps_subject = content.subject_lead_id not in retitled.union(withdrawn)
    now = dataclasses.replace(
        content,
        stories=amended(content.stories),
        evergreens=amended(content.evergreens),
        subject=content.subject if keeps_subject else "",
        subject_lead_id=content.subject_lead_id if keeps_subject else None,
    )
    return Amended(now, told(content.stories), told(content.evergreens))


def is_stale() -> ColumnElement[bool]:
    """A condition on EditionArticle: the edition's words on this article are no longer right."""
    return or_(
        exists().where(Article.id == EditionArticle.article_id, Article.withdrawn_at.is_not(None)),
        exists().where(
            ArticleCorrection.article_id == EditionArticle.article_id,
            ArticleCorrection.is_shown,
            ArticleCorrection.id > EditionArticle.correction_id,
        ),
    )


def stale_editions(issue_id: int) -> list[int]:
    """The editions of an issue that bring a story withdrawn or corrected since they were pressed."""
    stale = exists().where(and_(EditionArticle.edition_id == Edition.id, is_stale()))
    return list(db.session.scalars(select(Edition.id).where(Edition.issue_id == issue_id, stale).order_by(Edition.id)))


def _withdrawn(article_ids: Sequence[int]) -> dict[int, tuple[datetime, str]]:
    query = select(Article.id, Article.withdrawn_at, Article.withdrawn_reason).where(
        Article.id.in_(article_ids), Article.withdrawn_at.is_not(None)
    )
    return {row.id: (row.withdrawn_at, row.withdrawn_reason) for row in db.session.execute(query)}


def _amendment(
    story: FrozenStory,
    withdrawn: dict[int, tuple[datetime, str]],
    corrections: dict[int, list[ArticleCorrection]],
) -> Amendment | None:
    if story.id in withdrawn:
        return Amendment(story, True, *withdrawn[story.id])
    if story.id in corrections:
        last = corrections[story.id][-1]
        return Amendment(story, False, last.corrected_at, last.reason)
    return None


def _corrected(story: FrozenStory, corrections: Sequence[ArticleCorrection]) -> FrozenStory:
    for each in corrections:
        words = {_FROZEN.get(name, name): value for name, value in each.after.items() if name in correcting.SHOWN}
        story = dataclasses.replace(story, correction_id=each.id, **words)
    return story
