"""What the product's own database says about a run that was sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool


@dataclass(frozen=True)
class Sent:
    """How many messages of the issue were accepted, and the seconds from the first claim to the last outcome."""

    messages: int
    seconds: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def sent(url: str) -> Sent:
    """The figures of the one issue in the database; ends the benchmark when a message did not leave."""
    found = _row(
        url,
        "SELECT count(*) AS messages, min(dated_at) AS first_at, max(settled_at) AS last_at,"
        " sum(CASE WHEN message.state <> 'sent' THEN 1 ELSE 0 END) AS unsent"
        " FROM message JOIN run ON run.id = message.run_id WHERE run.kind = 'issue'",
    )
    if found.unsent:
        raise SystemExit(f"{found.unsent:,} of {found.messages:,} messages were not sent.")
    return Sent(found.messages, (instant(found.last_at) - instant(found.first_at)).total_seconds())


def first_message(url: str) -> float:
    """Seconds from the release of the issue to the first message the receiver accepted."""
    found = _row(
        url,
        "SELECT (SELECT released_at FROM run WHERE kind = 'issue') AS released_at, min(settled_at) AS first_at"
        " FROM message WHERE state = 'sent'",
    )
    return (instant(found.first_at) - instant(found.released_at)).total_seconds()


def count(url: str, state: str) -> int:
    """How many messages are in a state."""
    return int(_row(url, "SELECT count(*) AS messages FROM message WHERE state = :state", state=state).messages)


def scalar(url: str, statement: str) -> Any:
    """One value."""
    return _row(url, statement)[0]


def per_second(url: str) -> dict[int, int]:
    """Messages accepted in each second since the first claim."""
    engine = create_engine(url, poolclass=NullPool)
    second = "strftime('%s', settled_at)" if url.startswith("sqlite") else "floor(extract(epoch FROM settled_at))"
    with engine.connect() as connection:
        rows = connection.execute(
            text(f"SELECT {second} AS at, count(*) FROM message WHERE state = 'sent' GROUP BY 1 ORDER BY 1")
        ).all()
    first = int(rows[0][0]) if rows else 0
    return {int(at) - first: messages for at, messages in rows}


def instant(value: Any) -> datetime:
    """A time as either database gives it."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=None)


def _row(url: str, statement: str, **parameters: Any) -> Any:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return connection.execute(text(statement), parameters).one()
