"""How the sample magazine's readers came: their sign-ups and imports in the past, with the consent each one gave."""

from datetime import datetime, timedelta

from newsletter import clock, db, settings
from newsletter.audience import addresses, consent, subscriptions, wishes
from newsletter.audience.models import ConsentKind, SignupRequest, Subscriber, SubscriptionState
from newsletter.demo import readers
from newsletter.demo.readers import Fate, Person
from newsletter.publication import legal, newsletters
from newsletter.publication.models import LegalKind

# How long ago the texts were published; who signed up in between agreed to the first terms.
FIRST_TERMS = timedelta(days=540)
SECOND_TERMS = timedelta(days=90)

_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36",
)
# Blocks set aside for documentation (RFC 5737).
_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")


def join() -> None:
    """Have all readers sign up or be imported; flushed."""
    now = clock.now()
    known = {newsletter.slug: newsletter for newsletter in newsletters.all()}
    for person in readers.everybody():
        wished = wishes.named(person.wishes, offered=known)
        with clock.standing_at(now - person.age):
            reader = _meet(person)
            if person.is_imported:
                _import(person, reader, wished)
            else:
                _sign_up(person, reader, wished)
        if person.fate is Fate.PAUSED:
            reader.paused_until = now + timedelta(days=10 + person.number % 20)
    db.session.flush()


def _meet(person: Person) -> Subscriber:
    address = addresses.parse(person.address)
    reader = Subscriber(address=address.display, address_key=address.key, created_at=clock.now())
    db.session.add(reader)
    db.session.flush()
    return reader


def _sign_up(person: Person, reader: Subscriber, wished: list[wishes.Wish]) -> None:
    """The form, then, unless the reader is still pending, the button behind the confirmation's link."""
    asked_at, origin = clock.now(), _origin(person, "form")
    request = SignupRequest(
        subscriber_id=reader.id,
        wishes=[list(wish.key) for wish in wished],
        created_at=asked_at,
        expires_at=asked_at + settings.current().confirmation_lifetime,
    )
    db.session.add(request)
    subscriptions.put(reader, wished, SubscriptionState.PENDING)
    shown = _shown(asked_at)
    consent.record(ConsentKind.REQUESTED, reader, wished, origin, shown=shown, request_id=request.id)
    if person.fate is Fate.PENDING:
        return
    with clock.standing_at(asked_at + timedelta(minutes=2 + person.number % 50)):
        request.used_at = clock.now()
        subscriptions.put(reader, wished, SubscriptionState.CONFIRMED)
        pressed = _origin(person, "link")
        consent.record(ConsentKind.CONFIRMED, reader, wished, pressed, shown=shown, request_id=request.id)


def _import(person: Person, reader: Subscriber, wished: list[wishes.Wish]) -> None:
    """From the list of an earlier system, with its proof of consent, or, without one, to be confirmed again."""
    if person.fate is Fate.RECONFIRM:
        subscriptions.put(reader, wished, SubscriptionState.PENDING)
        origin = consent.Origin(consent.UNPROVED)
        consent.record(ConsentKind.IMPORTED, reader, wished, origin, note=consent.TO_RECONFIRM)
        return
    subscriptions.put(reader, wished, SubscriptionState.CONFIRMED)
    origin = consent.Origin("import")
    note = f"consent of {(clock.now() - timedelta(days=200)).isoformat()}: the earlier system's sign-up form"
    consent.record(ConsentKind.IMPORTED, reader, wished, origin, note=note)


def _origin(person: Person, channel: str) -> consent.Origin:
    network = _NETWORKS[person.number % len(_NETWORKS)]
    return consent.Origin(
        channel,
        page="/subscribe" if channel == "form" else "/confirm",
        source_address=f"{network}.{1 + person.number % 250}",
        agent=_AGENTS[person.number % len(_AGENTS)],
    )


def _shown(at: datetime) -> consent.Shown:
    """The consent sentence with the versions that were in force at an instant."""
    present = consent.shown()
    in_force = [each.version for each in legal.versions(LegalKind.TERMS) if each.published_at <= at]
    return consent.Shown(present.sentence, present.language, max(in_force), present.privacy_version)
