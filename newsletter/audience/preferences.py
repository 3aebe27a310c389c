"""What a reader takes, seen and changed by the signed link in every mail: topics, and how often."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from newsletter import clock, db, errors
from newsletter.audience import consent, subscriptions, wishes
from newsletter.audience.models import ConsentKind, Purpose, Subscriber, SubscriptionState
from newsletter.audience.reader_links import ReaderLink
from newsletter.audience.wishes import Wish
from newsletter.languages import speech
from newsletter.outbox import queue
from newsletter.publication import newsletters
from newsletter.publication.models import Newsletter, NewsletterKind, Topic

MEASUREMENT = speech.later("I agree that you measure which mails I open and which links I follow.")
GONE = speech.later("Nothing is kept about this address any more. Please sign up again if you want to read us.")


@dataclass(frozen=True)
class Line:
    """One topic: the digests of which a reader takes one, the others each taken or not, and what is taken now."""

    topic: Topic
    digests: list[Newsletter]
    others: list[Newsletter]
    taken: frozenset[str]  # newsletter slugs

    @property
    def digest(self) -> str:
        """The slug of the digest that brings this topic, or ""."""
        return next((each.slug for each in self.digests if each.slug in self.taken), "")


@dataclass(frozen=True)
class Preferences:
    """Everything a preferences page shows."""

    address: str
    newsletters: list[Newsletter]
    lines: list[Line]
    newsletter: Newsletter | None  # the one whose mail held the link
    language: str
    paused_until: datetime | None
    is_measured: bool


@dataclass(frozen=True)
class Wanted:
    """What a reader wants beside topics; None leaves it as it is. A pause ends at the instant, now ends it at once."""

    language: str | None = None
    paused_until: datetime | None = None
    is_measured: bool | None = None


@dataclass(frozen=True)
class Changed:
    """What a choice changed."""

    added: list[Wish]
    ended: list[Wish]


def view(link: ReaderLink) -> Preferences:
    """What the reader of a link takes and could take; raises NotFound when nothing is kept about them."""
    reader = db.session.get(Subscriber, link.subscriber_id)
    if reader is None:
        raise errors.NotFound(GONE)
    held = subscriptions.held(reader, SubscriptionState.CONFIRMED)
    offered = _offered(held)
    topics = {topic.id: topic for newsletter in offered for topic in newsletter.topics}
    lines = [_line(topic, offered, held) for topic in sorted(topics.values(), key=lambda one: (one.position, one.id))]
    return Preferences(
        address=reader.address,
        newsletters=offered,
        lines=lines,
        newsletter=db.session.get(Newsletter, link.newsletter_id),
        language=reader.language,
        paused_until=reader.paused_until if reader.paused_until and reader.paused_until > clock.now() else None,
        is_measured=reader.is_measured,
    )


def choose(
    link: ReaderLink, names: Sequence[str], origin: consent.Origin, *, shown: consent.Shown | None = None
) -> Changed:
    """Take exactly the wishes named ("daily:music"), at once; choosing another digest for a topic moves it there.

    Taking something new by the link is consent, and recorded as such; so is giving something up. Raises BadInput,
    Refused while sign-up is closed and something new is taken, NotFound when nothing is kept about the reader.
    """
    reader = subscriptions.locked_reader(link.subscriber_id)
    if reader is None:
        raise errors.NotFound(GONE)
    held = subscriptions.held(reader, SubscriptionState.CONFIRMED)
    offered = {newsletter.slug: newsletter for newsletter in _offered(held)}
    wished = _one_digest_a_topic(wishes.named(names, offered=offered), held)
    # What was asked for by a form and not confirmed yet is left to its own link.
    pending = subscriptions.held(reader, SubscriptionState.PENDING)
    ended = subscriptions.end(reader, keep={wish.key for wish in wished} | pending)
    added = subscriptions.put(reader, wished, SubscriptionState.CONFIRMED)
    if added:
        shown = shown or consent.shown(reader.language)
        consent.record(ConsentKind.CONFIRMED, reader, added, origin, shown=shown)
    if ended:
        consent.record(ConsentKind.WITHDRAWN, reader, ended, origin)
    if not wished:
        queue.cancel_for(reader.id)
    return Changed(added, ended)


def want(link: ReaderLink, wanted: Wanted, origin: consent.Origin) -> bool:
    """Set what is wanted, and record a changed mind about being measured; whether anything changed. Raises NotFound."""
    reader = subscriptions.locked_reader(link.subscriber_id)
    if reader is None:
        raise errors.NotFound(GONE)
    before = (reader.language, reader.paused_until, reader.is_measured)
    if wanted.language is not None:
        reader.language = wanted.language
    if wanted.paused_until is not None:
        reader.paused_until = wanted.paused_until if wanted.paused_until > clock.now() else None
    if wanted.is_measured is not None and wanted.is_measured != reader.is_measured:
        measure(reader, origin, agreed=wanted.is_measured)
    db.session.flush()
    return before != (reader.language, reader.paused_until, reader.is_measured)


def measure(reader: Subscriber, origin: consent.Origin, *, agreed: bool, request_id: int | None = None) -> None:
    """Record that a reader agreed to being measured personally, or does no longer."""
    reader.is_measured = agreed
    shown = consent.shown(reader.language) if agreed else None
    consent.record(
        ConsentKind.CONFIRMED if agreed else ConsentKind.WITHDRAWN,
        reader,
        [],
        origin,
        shown=dataclasses.replace(shown, sentence=speech.say(MEASUREMENT, shown.language)) if shown else None,
        request_id=request_id,
        purpose=Purpose.MEASUREMENT,
    )


def is_frequency(newsletter: Newsletter) -> bool:
    """Whether a newsletter is one of the "how often" of its topics: a digest that comes by a calendar."""
    return newsletter.kind is NewsletterKind.DIGEST and bool(newsletter.days)


def _offered(held: set[tuple[int, int]]) -> list[Newsletter]:
    """The public newsletters, and others this reader has."""
    taken = {newsletter_id for newsletter_id, _ in held}
    return [each for each in newsletters.all() if each.is_public or each.id in taken]


def _line(topic: Topic, offered: list[Newsletter], held: set[tuple[int, int]]) -> Line:
    carrying = [newsletter for newsletter in offered if any(each.id == topic.id for each in newsletter.topics)]
    return Line(
        topic=topic,
        digests=[newsletter for newsletter in carrying if is_frequency(newsletter)],
        others=[newsletter for newsletter in carrying if not is_frequency(newsletter)],
        taken=frozenset(newsletter.slug for newsletter in carrying if (newsletter.id, topic.id) in held),
    )


def _one_digest_a_topic(wished: list[Wish], held: set[tuple[int, int]]) -> list[Wish]:
    """Of several digests for a topic the newly chosen one, else the first."""
    chosen: dict[int, Wish] = {}
    for wish in wished:
        if is_frequency(wish.newsletter):
            earlier = chosen.get(wish.topic.id)
            if earlier is None or (earlier.key in held and wish.key not in held):
                chosen[wish.topic.id] = wish
    return [wish for wish in wished if not is_frequency(wish.newsletter) or chosen[wish.topic.id] is wish]
