"""A post office: a run of messages, a drain to work it, and a look at what became of them."""

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy
from sqlalchemy import select

from newsletter import db, settings
from newsletter.outbox import composers, queue
from newsletter.outbox.drain import Drain
from newsletter.outbox.models import Message, Policy, Run
from newsletter.outbox.parcels import Transport
from newsletter.outbox.transports import memory, smtp
from tests.outbox import smtp_server

DAY = timedelta(days=1)

Write = Callable[[composers.Row], composers.Wire | composers.Skipped]


def compose(row: composers.Row) -> composers.Wire | composers.Skipped:
    """A short message that any test may send."""
    head = f"Message-ID: {row.message_id}\r\nDate: {row.dated_at:%a, %d %b %Y %H:%M:%S +0000}\r\nTo: {row.address}\r\n"
    return composers.Wire(f"{head}Subject: Hello\r\n\r\nHello {row.recipient_id}\r\n".encode(), "news@magazine.example")


def of_pages(write: Write) -> composers.Composer:
    return lambda rows: [functools.partial(write, row) for row in rows]


@dataclass
class PostOffice:
    engine: sqlalchemy.Engine
    settings: settings.Settings

    def plan(self, readers: int, *, ref: int = 1, policy: Policy = Policy.HOLD, release: bool = True) -> int:
        """A run to reader1@readers.example and so on; returns its id."""
        run = queue.open_run("issue", ref, policy=policy, lifetime=DAY)
        rows = [queue.Planned(n, f"reader{n}@readers.example", ref=7) for n in range(1, readers + 1)]
        queue.add(run, rows)
        if release:
            queue.release(run)
        db.session.commit()
        return run.id

    def enqueue(self, recipient_id: int = 1, kind: str = "confirmation") -> None:
        queue.enqueue(kind, recipient_id=recipient_id, address=f"asker{recipient_id}@readers.example", lifetime=DAY)
        db.session.commit()

    def adjust(self, **values: object) -> None:
        """Change settings from here on."""
        self.settings = replace(self.settings, **values)  # type: ignore[arg-type]
        settings.use(self.settings)

    def drain(self, transport: Transport | None = None, compose: Write = compose) -> Counter[str]:
        """Work the outbox until it is empty."""
        return self.drainer(transport, compose).run(until_empty=True, stop=threading.Event())

    def drainer(self, transport: Transport | None = None, compose: Write = compose) -> Drain:
        db.session.rollback()  # on SQLite an open transaction of the test's own would lock everybody out
        return Drain(self.engine, transport or memory.Transport(), compose=of_pages(compose))

    def by_smtp(self, server: smtp_server.Server) -> Transport:
        chosen = replace(self.settings, smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none")
        return smtp.from_settings(chosen)

    def states(self, run_id: int | None = None) -> dict[str, int]:
        """How many messages are in each state that any is in."""
        return dict(Counter(message.state.value for message in self.messages(run_id)))

    def messages(self, run_id: int | None = None) -> list[Message]:
        db.session.rollback()
        statement = select(Message).order_by(Message.id)
        found = list(db.session.scalars(statement if run_id is None else statement.filter_by(run_id=run_id)))
        for message in found:
            db.session.expunge(message)
        db.session.rollback()
        return found

    def message(self, number: int = 1) -> Message:
        return next(each for each in self.messages() if each.address == f"reader{number}@readers.example")

    def run(self, run_id: int) -> Run:
        db.session.rollback()
        return db.session.get_one(Run, run_id)

    def pass_time(self, of: timedelta) -> None:
        """Everything that was written down happened so much earlier."""
        db.session.rollback()
        tables: dict[str, list[str]] = {
            "message": ["due_at", "created_at"],
            "run": ["running_since"],
            "worker": ["heartbeat_at"],
        }
        with self.engine.begin() as connection:
            for name, columns in tables.items():
                table = db.Base.metadata.tables[name]
                for row in connection.execute(select(table.c.id, *(table.c[column] for column in columns))).all():
                    earlier = {column: _earlier(getattr(row, column), of) for column in columns}
                    connection.execute(table.update().where(table.c.id == row.id).values(earlier))


def _earlier(at: datetime | None, of: timedelta) -> datetime | None:
    return None if at is None else at - of


@pytest.fixture
def post_office(room, database_url, configured, monkeypatch) -> Iterator[PostOffice]:
    """The outbox of this test's database, with quick deadlines and composers for issues and confirmations."""
    writing = dict.fromkeys(("issue", "confirmation"), of_pages(compose))
    monkeypatch.setattr(composers, "_composers", writing)
    engine = db.make_engine(database_url)
    office = PostOffice(engine, configured)
    office.adjust(
        command_time=timedelta(seconds=0.5),
        dot_time=timedelta(seconds=0.5),
        relay_rest=timedelta(milliseconds=1),
        outbox_poll=timedelta(milliseconds=5),
        stop_time=timedelta(seconds=0.5),
    )
    yield office
    engine.dispose()
    settings.use(configured)
