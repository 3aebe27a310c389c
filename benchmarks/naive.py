"""A plain Flask and smtplib loop beside us, as a magazine would write it first; the same digests, the same receiver.

    python -m benchmarks.naive [--messages 20000] [--rounds 2]

"bytes ready" is the most smtplib can do: the finished messages lie in memory. The other two render each reader's
digest with the real template, inline its styles, and build it with email.message, over a kept connection and over a
connection per message. None of the three keeps a ledger: a crash would send again or forget.
"""

import argparse
import os
import smtplib
import sys
import time
from collections import defaultdict
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from benchmarks import ledger, magazine, processes, report, stores, wire
from newsletter import clock, db, settings
from newsletter.audience import reader_links
from newsletter.audience.models import Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import editions, freezing, matching, selection
from newsletter.issues.models import Issue
from newsletter.issues.selection import Profile, Sizes
from newsletter.mail import links

OURS, BASELINE = "ours, SQLite", "smtp-source (C)"
# How, and the share of the messages sent: what is slow is measured on fewer.
_WAYS = {"bytes ready": 1.0, "kept connection": 0.02, "a connection per message": 0.02}


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--loop", nargs=3, metavar=("WAY", "COUNT", "PORT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.loop:
        _loop(chosen.loop[0], int(chosen.loop[1]), int(chosen.loop[2]))
        return
    with stores.opened("sqlite") as store, wire.sink() as port:
        said = report.Report("naive", "A plain Flask and smtplib loop beside us; SQLite", messages=chosen.messages)
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        template = magazine.released(store, chosen.messages)
        with store.copy(template, magazine.is_built) as url:
            length = magazine.mean_size(url)
        for number in range(chosen.rounds):
            with store.copy(template, magazine.is_built) as url:
                variables = processes.variables(url, port, NEWSLETTER_CONNECTIONS="8")
                cost = processes.flask("deliver", "--until-empty", variables=variables)
                sent = ledger.sent(url)
                found[OURS].append((sent.rate, 1000 * cost.processor_seconds / sent.messages))
                seconds, used = wire.source(port, messages=chosen.messages, length=length)
                found[BASELINE].append((chosen.messages / seconds, 1000 * used / chosen.messages))
                for way, share in _WAYS.items():
                    found[way].append(_run_loop(way, int(chosen.messages * share), port, url))
            said.note(f"round {number + 1}: " + ", ".join(f"{way} {runs[-1][0]:,.0f}/s" for way, runs in found.items()))
        said.table("naive", _rows(found))
        print(f"\n{said.write()}")


def _rows(found: dict[str, list[tuple[float, float]]]) -> list[dict[str, Any]]:
    middle = {way: [report.median(run[place] for run in runs) for place in (0, 1)] for way, runs in found.items()}
    base, own = middle[BASELINE][0], middle[OURS][0]
    return [
        {
            "sender": way if way in (OURS, BASELINE) else f"smtplib, {way}",
            "ratio": rate / base,
            "messages/s": rate,
            "CPU ms/message": cost,
            "ours is faster by": own / rate,
        }
        for way, (rate, cost) in middle.items()
    ]


def _run_loop(way: str, count: int, port: int, url: str) -> tuple[float, float]:
    arguments = [sys.executable, "-m", "benchmarks.naive", "--loop", way, str(count), str(port)]
    running = processes.start(arguments, processes.variables(url, port))
    rate, processor = map(float, str(running.wait().answer).split())
    return rate, processor


def _loop(way: str, count: int, port: int) -> None:
    """The loop in a process of its own; prints the rate and the milliseconds of processor time a message."""
    with magazine.app(os.environ["NEWSLETTER_DATABASE_URL"]).app_context(), db.reading():
        write = _Writer()
        readers = db.session.scalars(
            select(Subscriber).options(selectinload(Subscriber.subscriptions)).order_by(Subscriber.id).limit(count)
        ).all()
        client = None if way == "a connection per message" else smtplib.SMTP("127.0.0.1", port)
        ready = [write.message(readers[place % 50]).as_bytes() for place in range(50)] if way == "bytes ready" else []
        began, processor = time.monotonic(), time.process_time()
        for place, reader in enumerate(readers):
            if ready and client:
                client.sendmail("news@magazine.example", [reader.address], ready[place % 50])
            elif client:
                client.send_message(write.message(reader))
            else:
                with smtplib.SMTP("127.0.0.1", port) as once:
                    once.send_message(write.message(reader))
        seconds, used = time.monotonic() - began, time.process_time() - processor
    print(count / seconds, 1000 * used / count)


class _Writer:
    """Writes one reader's digest from scratch."""

    def __init__(self) -> None:
        issue = db.session.get_one(Issue, 1)
        present = settings.current()
        self._content = freezing.content(issue)
        self._newsletter_id = issue.newsletter_id
        self._pool = matching.pool(self._content)
        self._sizes = Sizes(present.section_size, present.mail_size, present.read_next_size)

    def message(self, reader: Subscriber) -> EmailMessage:
        token = reader_links.token(ReaderLink(reader.id, self._newsletter_id))
        topics = frozenset(each.topic_id for each in reader.subscriptions)
        chosen = selection.select(self._pool, Profile(topics, topics), self._sizes)
        mail = editions.render(self._content, chosen, dated_at=clock.now())
        mail = mail.for_reader(token=token, address=reader.address)
        message = EmailMessage()
        message["From"] = "The Magazine <news@magazine.example>"
        message["To"], message["Subject"] = reader.address, mail.subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="magazine.example")
        message["List-Unsubscribe"] = f"<{links.unsubscribe(token)}>"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


if __name__ == "__main__":
    main()
