"""A magazine with any number of confirmed readers and an approved issue, loaded fast.

A thousand readers are made one by one; the rest are copies of them by INSERT ... SELECT, each with an address of its
own. So a new column needs no line here. What each agreed to is written by the room that writes it always, as its
lines are chained.
"""

import argparse
import json
import random
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import Connection, func, insert, select, text

from benchmarks import processes, stores
from benchmarks.stores import Store
from newsletter import clock, db, factory, schema, settings
from newsletter.articles import pictures, publishing
from newsletter.audience import consent
from newsletter.audience.models import (
    ConsentKind,
    SignupRequest,
    Subscriber,
    Subscription,
    SubscriptionState,
)
from newsletter.demo import magazine
from newsletter.issues import composing, lifecycle
from newsletter.outbox import composers
from newsletter.outbox.models import Message, Run, Suppression, SuppressionReason
from newsletter.publication import legal, newsletters, topics
from newsletter.publication.models import LegalKind
from newsletter.publication.newsletters import Plan

SLUG = "daily"
STORIES = 25
DOMAINS = ("mail", "post", "inbox", "letters", "web", "box", "home", "office", "uni", "city")
_PATTERN = 1000
_PAGE = 2000
_AGREED = 20_000  # readers whose lines of consent are written: nothing measured here reads them
_MIXES = 60
_LOADER = 3  # raised with every change of what is loaded here, so that older templates are not used
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def loaded(store: Store, readers: int) -> str:
    """The template with this many readers and an approved issue that is not yet planned."""
    name = f"loaded_{readers}_{_LOADER}_{stores.fingerprint('migrations/versions')}"
    store.prepare(name, lambda url: _load(url, readers))
    return name


def released(store: Store, readers: int) -> str:
    """The template whose issue is released: a message for every reader, none sent."""
    before = loaded(store, readers)
    name = f"released_{readers}_{_LOADER}_{stores.fingerprint('migrations/versions', 'newsletter', 'templates')}"
    store.copy_into(name, before, _release)
    return name


def is_built(_url: str) -> None:
    """For Store.copy of a template that was prepared before."""
    raise AssertionError("The template is missing.")


def mean_size(url: str, sample: int = 200) -> int:
    """The mean size in bytes of the digests of a released issue, as they go over the wire."""
    with app(url).app_context():
        try:
            return _mean_size(sample)
        finally:
            db.session.remove()
            db.extension.engine.dispose()


def app(url: str) -> Flask:
    """The product's application on this database, in this process."""
    return factory.create_app(settings.load(processes.variables(url)))


def _release(url: str) -> None:
    processes.flask("issue", "send", "1", variables=processes.variables(url))


def _load(url: str, readers: int) -> None:
    settings.use(settings.load(processes.variables(url)))
    schema.upgrade(url)
    with app(url).app_context():
        _found_magazine()
        db.session.commit()
        _publish_stories()
        pattern = _Pattern(min(readers, _PATTERN))
        pattern.join()
        db.session.commit()
        _suppress_some()
        _multiply(db.session.connection(), readers)
        db.session.commit()
        _agree(min(readers, _AGREED))
        issue = composing.compose(newsletters.get(SLUG))
        lifecycle.approve(issue, actor="benchmark")
        db.session.commit()
        db.session.remove()
        db.extension.engine.dispose()


def _found_magazine() -> None:
    sample = magazine.magazine()
    for slug, name in sample.topics.items():
        topics.add(slug, name)
    legal.word_consent(sample.consent)
    for kind, title, name in (
        (LegalKind.TERMS, "Terms of Use", "terms-1"),
        (LegalKind.PRIVACY, "Privacy", "privacy-1"),
    ):
        legal.publish(kind, title=title, markdown=magazine.text(name))
    newsletters.save(SLUG, Plan(title="The Daily", topics=list(sample.topics), promise="Every morning."))


def _publish_stories() -> None:
    """The newest of the sample magazine's stories, in their own words; every fifth has a second topic."""
    slugs = list(magazine.magazine().topics)
    for number, story in enumerate(magazine.stories()[-STORIES:]):
        also = [slugs[(slugs.index(story.topics[0]) + 3) % len(slugs)]] if number % 5 == 4 else []
        draft = publishing.Draft(
            url=f"https://magazine.example/{story.slug}",
            headline=story.headline,
            dek=story.dek,
            body_html=story.body_html,
            author=story.author,
            published_at=clock.now() - timedelta(minutes=number),
            language="en",
            topics=(story.topics[0], *also),
            hypes=story.hypes,
            comments=story.comments,
            picture_alt=story.alt,
        )
        article = publishing.publish(draft).article
        if story.picture:
            article.picture = pictures.adopt((magazine.PICTURES / f"{story.picture}.jpg").read_bytes())
        db.session.commit()


class _Pattern:
    """The first readers, from whom all others are copied."""

    def __init__(self, count: int) -> None:
        self._chance = random.Random(7)
        self._count = count
        self._newsletter = newsletters.get(SLUG)
        self._mixes = [self._mix() for _ in range(_MIXES)]
        self._past = clock.now() - timedelta(days=30)

    def join(self) -> None:
        """Each with one to four topics and a request that was confirmed."""
        for number in range(1, self._count + 1):
            mix = self._mixes[self._chance.randrange(_MIXES)]
            address = f"reader{number}@{DOMAINS[number % len(DOMAINS)]}.example"
            self._add(Subscriber, id=number, address=address, address_key=address, zone="", created_at=self._past)
            self._add_wishes(number, mix)
            self._add_request(number, mix)

    def _mix(self) -> list[int]:
        return self._chance.sample(range(len(self._newsletter.topics)), self._chance.choice((1, 2, 2, 3, 4)))

    def _add_wishes(self, number: int, mix: list[int]) -> None:
        for place in mix:
            self._add(
                Subscription,
                subscriber_id=number,
                newsletter_id=self._newsletter.id,
                topic_id=self._newsletter.topics[place].id,
                state=SubscriptionState.CONFIRMED,
                created_at=self._past,
                confirmed_at=self._past,
            )

    def _add_request(self, number: int, mix: list[int]) -> None:
        chosen = [self._newsletter.topics[place] for place in mix]
        self._add(
            SignupRequest,
            id=number,
            subscriber_id=number,
            wishes=[[self._newsletter.id, topic.id] for topic in chosen],
            created_at=self._past,
            expires_at=self._past + timedelta(days=7),
            used_at=self._past,
        )

    def _add(self, model: type[Any], **values: Any) -> None:
        db.session.execute(insert(model).values(**values))


def _agree(readers: int) -> None:
    """Both lines of consent of everybody, as the form and the confirmation write them."""
    text_shown, past = consent.shown(), clock.now() - timedelta(days=30)
    kinds = ((ConsentKind.REQUESTED, "form"), (ConsentKind.CONFIRMED, "link"))
    for first in range(1, readers + 1, _PAGE):
        found = select(Subscriber.id, Subscriber.address).where(Subscriber.id.between(first, first + _PAGE - 1))
        with clock.standing_at(past):
            consent.record_all(
                [
                    consent.Entry(
                        subscriber_id=reader.id,
                        address=reader.address,
                        kind=kind,
                        origin=consent.Origin(channel, "/subscribe", f"192.0.2.{reader.id % 250}", _AGENT),
                        wishes=(f"{SLUG}:design",),
                        shown=text_shown,
                        request_id=reader.id,
                    )
                    for reader in db.session.execute(found).all()
                    for kind, channel in kinds
                ]
            )
        db.session.commit()


def _suppress_some() -> None:
    """A thousand addresses nobody of these readers has: the check is on, and everybody gets mail."""
    rows = [
        {
            "address": f"gone{number}@{DOMAINS[number % len(DOMAINS)]}.example",
            "digest": f"{number:064x}",
            "reason": SuppressionReason.HARD_BOUNCE,
            "created_at": clock.now(),
        }
        for number in range(1000)
    ]
    db.session.execute(insert(Suppression), rows)


def _multiply(connection: Connection, readers: int) -> None:
    """Double everybody until there are `readers`."""
    if connection.dialect.name == "postgresql":
        # What is copied from rows that are right needs no checking of every reference.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
    count = connection.scalar(select(func.count()).select_from(Subscriber.__table__)) or 0
    while count < readers:
        most = min(count, readers - count)
        shifted = {"id": count, "subscriber_id": count}
        for model in (Subscriber, SignupRequest, Subscription):
            _copy_rows(connection, model.__table__, most, shifted)
        count += most
    if connection.dialect.name == "postgresql":
        for model in (Subscriber, SignupRequest, Subscription):
            name = model.__tablename__
            connection.execute(text(f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))"))


def _copy_rows(connection: Connection, table: Any, readers: int, shifted: Mapping[str, int]) -> None:
    """Copy the rows of the first `readers`, their numbers shifted."""
    by = {name: f"{name} + {step}" for name, step in shifted.items() if name in table.c}
    if table.name == "subscriber":
        own = f"'reader' || CAST(id + {shifted['id']} AS TEXT) || substr(address, strpos_(address, '@'))"
        find = "instr" if connection.dialect.name == "sqlite" else "strpos"
        by["address"] = by["address_key"] = own.replace("strpos_", find)
        whose = "id"
    else:
        whose = "subscriber_id"
        if table.name != "signup_request":
            by["id"] = f"id + {connection.scalar(select(func.max(table.c.id)))}"
    columns = [column.name for column in table.c]
    chosen = ", ".join(by.get(name, name) for name in columns)
    connection.execute(
        text(
            f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {chosen} FROM {table.name} WHERE {whose} <= :most"
        ),
        {"most": readers},
    )


def _mean_size(sample: int) -> int:
    found = db.session.execute(
        select(Message, Run.ref).join(Run, Run.id == Message.run_id).order_by(Message.id).limit(sample)
    ).all()
    rows = [
        composers.Row(
            id=message.id,
            kind="issue",
            run_ref=run_ref,
            ref=message.ref,
            recipient_id=message.recipient_id,
            address=message.address,
            message_id=message.message_id,
            dated_at=clock.now(),
        )
        for message, run_ref in found
    ]
    db.session.rollback()
    composed = [draft() for draft in composers.compose(rows) if not isinstance(draft, composers.Skipped)]
    sizes = [len(wire.content) for wire in composed if isinstance(wire, composers.Wire)]
    return sum(sizes) // len(sizes)


def main() -> None:
    """Load and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--engine", choices=stores.ENGINES, action="append")
    chosen = parser.parse_args()
    with stores.all_opened(tuple(chosen.engine or stores.ENGINES)) as opened:
        for store in opened:
            for make in (loaded, released):
                began = time.monotonic()
                name = make(store, chosen.readers)
                print(
                    json.dumps(
                        {"engine": store.engine, "template": name, "seconds": round(time.monotonic() - began, 1)}
                    )
                )


if __name__ == "__main__":
    main()
