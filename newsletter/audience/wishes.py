"""A wish: one topic of one newsletter, as a form or a preferences page asks for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from newsletter import db, errors
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter, Topic


@dataclass(frozen=True)
class Wish:
    """A topic of a newsletter."""

    newsletter: Newsletter
    topic: Topic

    @property
    def key(self) -> tuple[int, int]:
        return self.newsletter.id, self.topic.id

    @property
    def name(self) -> str:
        """Readable without the tables: "daily:music"."""
        return f"{self.newsletter.slug}:{self.topic.slug}"


def asked(newsletter_slugs: Sequence[str], topic_slugs: Sequence[str], names: Sequence[str] = ()) -> list[Wish]:
    """The wishes of a sign-up: newsletters x topics, cut to what each carries; `names` ("daily:music") win.

    No newsletter: the default one. No topic: everything the newsletter carries today. Raises BadInput.
    """
    offered = {newsletter.slug: newsletter for newsletter in newsletters.public()}
    if not offered:
        raise errors.BadInput("There is no newsletter to sign up for yet.", field="newsletters")
    if names:
        return named(names, offered=offered)
    chosen = [_offered(offered, slug) for slug in dict.fromkeys(newsletter_slugs)] or [_default(offered)]
    known = {topic.slug for newsletter in offered.values() for topic in newsletter.topics}
    if not known.issuperset(topic_slugs):
        raise errors.BadInput("One of these topics is not offered here. Please choose again.", field="topics")
    found = [
        Wish(newsletter, topic)
        for newsletter in chosen
        for topic in newsletter.topics
        if not topic_slugs or topic.slug in topic_slugs
    ]
    if not found:
        raise errors.BadInput("No newsletter you chose carries these topics. Please choose others.", field="topics")
    return found


def named(names: Sequence[str], *, offered: dict[str, Newsletter] | None = None) -> list[Wish]:
    """The wishes of names like "daily:music", once each; raises BadInput(field="topics")."""
    known = offered if offered is not None else {each.slug: each for each in newsletters.all()}
    found = []
    for name in dict.fromkeys(names):
        slug, _, topic_slug = name.partition(":")
        newsletter = _offered(known, slug)
        topic = next((topic for topic in newsletter.topics if topic.slug == topic_slug), None)
        if topic is None:
            raise errors.BadInput("One of these topics is not offered here. Please choose again.", field="topics")
        found.append(Wish(newsletter, topic))
    return found


def still_offered(names: Iterable[str]) -> list[Wish]:
    """The wishes of recorded names, leaving out what newsletters no longer carry."""
    known = {each.slug: each for each in newsletters.all()}
    found = []
    for slug, _, topic_slug in (name.partition(":") for name in names):
        newsletter = known.get(slug)
        topic = next((each for each in newsletter.topics if each.slug == topic_slug), None) if newsletter else None
        if newsletter and topic:
            found.append(Wish(newsletter, topic))
    return found


def of_keys(keys: Iterable[Sequence[int]]) -> list[Wish]:
    """The wishes of stored (newsletter id, topic id) pairs, leaving out what no longer exists."""
    pairs = [(db.session.get(Newsletter, key[0]), db.session.get(Topic, key[1])) for key in keys]
    return [Wish(newsletter, topic) for newsletter, topic in pairs if newsletter and topic]


def by_newsletter(wished: Iterable[Wish]) -> list[tuple[Newsletter, list[Topic]]]:
    """The wishes gathered for reading: each newsletter with its topics, in the order given."""
    gathered: dict[int, tuple[Newsletter, list[Topic]]] = {}
    for wish in wished:
        gathered.setdefault(wish.newsletter.id, (wish.newsletter, []))[1].append(wish.topic)
    return list(gathered.values())


def _offered(offered: dict[str, Newsletter], slug: str) -> Newsletter:
    if slug not in offered:
        raise errors.BadInput("One of these newsletters is not offered here. Please choose again.", field="newsletters")
    return offered[slug]


def _default(offered: dict[str, Newsletter]) -> Newsletter:
    default = newsletters.default()
    return default if default and default.slug in offered else next(iter(offered.values()))
