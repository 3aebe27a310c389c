"""What an article is about: its topics from a feed's categories, and the free tags that are left."""

import re
from collections.abc import Sequence

from newsletter.articles import wording
from newsletter.articles.models import Article, ArticleTag, ArticleTopic, Feed, TagSource
from newsletter.publication import topics as subjects
from newsletter.publication.models import Topic

_TAG_LENGTH = 100


def choose(
    topics: Sequence[str], categories: Sequence[str], tags: Sequence[str], *, feed: Feed | None
) -> tuple[list[Topic], list[str]]:
    """The topics and free tags of a draft; raises BadInput for a topic's slug that there is not.

    The feed's mapping decides; a category it does not mention counts when it is a topic's own name or slug, and else
    is a tag. The topics every item of the feed has come last.
    """
    mappings = feed.mappings if feed else []
    named = {_folded(name): topic for topic in subjects.all() for name in (topic.slug, topic.name)}
    chosen, free = subjects.by_slugs(list(topics)), list(tags)
    for category in categories:
        mapped = [link.topic for link in mappings if link.category and _folded(link.category) == _folded(category)]
        if mapped:
            chosen += mapped
        elif topic := named.get(_folded(category)):
            chosen.append(topic)
        else:
            free.append(category)
    chosen += [link.topic for link in mappings if not link.category]
    words = (wording.plain(tag)[:_TAG_LENGTH] for tag in free)
    once = {word.casefold(): word for word in reversed(list(words)) if word}
    return list({topic.id: topic for topic in chosen}.values()), list(reversed(once.values()))


def tag(article: Article, topics: Sequence[Topic], tags: Sequence[str], *, is_alone: bool) -> None:
    """Give an article its topics and tags; with `is_alone`, what its only feed no longer says goes."""
    # Where an editor chose the topics, a feed adds none.
    is_editors = "topics" in (article.held_fields or ())
    if not is_editors and not any(link.source is TagSource.EDITOR for link in article.topic_links):
        wanted = {topic.id for topic in topics}
        if is_alone and wanted:
            article.topic_links[:] = [link for link in article.topic_links if link.topic_id in wanted]
        present = {link.topic_id for link in article.topic_links}
        article.topic_links.extend(
            ArticleTopic(topic=topic, topic_id=topic.id) for topic in topics if topic.id not in present
        )
        for place, link in enumerate(article.topic_links):
            link.position = place
    if is_alone:
        article.tags[:] = [each for each in article.tags if each.tag in tags]
    known = {each.tag for each in article.tags}
    article.tags.extend(ArticleTag(tag=word) for word in tags if word not in known)


def _folded(name: str) -> str:
    """A name as it is compared: "Tech & Gadgets", "tech-gadgets" and "Tech &amp; gadgets" are one."""
    return "-".join(re.findall(r"\w+", wording.plain(name).casefold()))
