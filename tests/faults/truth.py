"""What must be true after any fault: our rows held against the ledger of the server that received the mail."""

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import text

HOLD, RETRY = "hold", "retry"

_OPEN = {"queued", "claimed", "sending", "deferred"}
_MESSAGES = """
    SELECT message.id, message.recipient_id, message.address, message.message_id, message.state, message.doubts,
           message.claimed_by, run.id AS run_id, run.state AS run_state, run.planned, run.policy, run.kind, run.ref
    FROM message JOIN run ON run.id = message.run_id
"""


@dataclass(frozen=True)
class Figures:
    """What one run under faults came to."""

    sent: int
    uncertain: int
    uncertain_delivered: int
    copies: int
    missing: int  # got nothing, and neither listed as uncertain nor told no by the server

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, uncertain {self.uncertain} ({self.uncertain_delivered} had arrived), "
            f"copies {self.copies}, missing {self.missing}"
        )


def assert_all(
    database_url: str,
    ledger: Path | Sequence[Mapping[str, Any]],
    *,
    crashes: int,
    connections: int,
    policy: str = HOLD,
    lost_replies: int = 0,
    readers: Collection[str] | None = None,
    is_over: bool = True,
) -> Figures:
    """Hold every issue's messages against the receiver's ledger; fails naming what is not as promised.

    `crashes` processes with `connections` each died, and `lost_replies` replies to a dot were lost while all lived.
    `readers` are the addresses each issue had to go to; with `is_over` no message may be open any more.
    """
    accepted = read(ledger)
    messages = _messages(database_url)
    bound = crashes * connections + lost_replies
    _check_plan(messages, readers)
    if is_over:
        _check_end(messages)
    _check_receipts(messages, accepted)
    _check_bytes(messages, accepted)
    copies = _check_copies(messages, accepted, policy=policy, bound=bound)
    return _check_losses(messages, accepted, policy=policy, bound=bound, copies=copies)


def read(ledger: Path | Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The lines of a ledger, in a file or at hand."""
    if isinstance(ledger, Path):
        return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    return list(ledger)


def _messages(database_url: str) -> list[Any]:
    engine = sqlalchemy.create_engine(database_url)
    with engine.connect() as connection:
        found = list(connection.execute(text(_MESSAGES)))
    engine.dispose()
    return [each for each in found if each.kind == "issue"]


def _check_plan(messages: Sequence[Any], readers: Collection[str] | None) -> None:
    """I1, I2, I8: one row a reader and run, nobody left out, nobody added, a Message-ID each."""
    _none(_often((each.run_id, each.recipient_id) for each in messages), "readers with two messages in a run")
    _none(_often((each.run_id, each.address) for each in messages), "addresses with two messages in a run")
    _none(_often(each.message_id for each in messages), "Message-IDs used twice")
    by_run = defaultdict[int, list[Any]](list)
    for each in messages:
        by_run[each.run_id].append(each)
    for run_id, rows in by_run.items():
        assert rows[0].planned == len(rows), f"run {run_id} counts {rows[0].planned} messages and has {len(rows)}"
        if readers is not None:
            planned = {each.address for each in rows}
            _none(set(readers) - planned, f"readers left out of run {run_id}")
            _none(planned - set(readers), f"strangers in run {run_id}")


def _check_end(messages: Sequence[Any]) -> None:
    """I3: finished exactly when nothing is open, and nobody holds anything."""
    _none({each.id for each in messages if each.state in _OPEN}, "messages still open")
    _none({each.run_id for each in messages if each.run_state != "finished"}, "runs that did not finish")
    _none({each.id for each in messages if each.claimed_by is not None}, "messages still held")


def _check_receipts(messages: Sequence[Any], accepted: Sequence[Mapping[str, Any]]) -> None:
    """I4, I7: "sent" only what was accepted; what was accepted is sent, uncertain, or on its way a second time."""
    received = {line["mid"] for line in accepted}
    by_mid = {each.message_id: each for each in messages}
    _none({each.id for each in messages if each.state == "sent"} - _ids(messages, received), "messages falsely sent")
    _none(received - by_mid.keys(), "mails that nobody knows of")
    known = {"sent", "uncertain", "sending"}
    forgotten = {mid: by_mid[mid].state for mid in received if by_mid[mid].state not in known}
    _none({mid for mid, state in forgotten.items() if not by_mid[mid].doubts}, f"mails accepted and then {forgotten}")


def _check_bytes(messages: Sequence[Any], accepted: Sequence[Mapping[str, Any]]) -> None:
    """I11, I12: every attempt the same bytes; envelope, To, the planned address and the reader of each link are one."""
    by_mid = {each.message_id: each for each in messages}
    shas = defaultdict[str, set[str]](set)
    for line in accepted:
        shas[line["mid"]].add(line["sha"])
        address = by_mid[line["mid"]].address
        assert line["rcpt"] == address, f"a mail planned for {address} went to {line['rcpt']}"
        assert len(line["to"]) == 1, f"a mail to {address} has {len(line['to'])} To headers"
        assert address in line["to"][0], f"a mail to {address} says To: {line['to'][0]}"
        opened = {_reader_of(token) for token in line["tokens"]}
        assert opened == {by_mid[line["mid"]].recipient_id}, f"the links of a mail to {address} are of readers {opened}"
    _none({mid for mid, found in shas.items() if len(found) > 1}, "messages whose attempts differ")


def _reader_of(token: str) -> int:
    """The reader a link's token names, before its seal (newsletter.audience.reader_links)."""
    return int.from_bytes(base64.urlsafe_b64decode(token)[:6])


def _check_copies(messages: Sequence[Any], accepted: Sequence[Mapping[str, Any]], *, policy: str, bound: int) -> int:
    """I5, I6: under hold no copy; under retry each is explained by a doubt of its row, all of them by the bound."""
    counts = Counter(line["mid"] for line in accepted)
    copies = sum(counts.values()) - len(counts)
    if policy == HOLD:
        _none({mid for mid, count in counts.items() if count > 1}, "readers who got two copies")
    doubts = {each.message_id: each.doubts for each in messages}
    _none({mid for mid, count in counts.items() if count > 1 + doubts[mid]}, "copies without a doubt on record")
    assert copies <= bound, f"{copies} copies, and only {bound} are explained"
    return copies


def _check_losses(
    messages: Sequence[Any], accepted: Sequence[Mapping[str, Any]], *, policy: str, bound: int, copies: int
) -> Figures:
    """Nobody missing who is not listed; no longer a list than crashes and lost replies explain."""
    received = {line["mid"] for line in accepted}
    uncertain = [each for each in messages if each.state == "uncertain"]
    told_no = {"bounced", "expired", "skipped", "cancelled"}
    missing = [
        each
        for each in messages
        if each.message_id not in received and each.state not in told_no | _OPEN | {"uncertain"}
    ]
    _none({each.address for each in missing}, "readers missing who are not listed")
    assert len(uncertain) <= bound, f"{len(uncertain)} messages are uncertain, and only {bound} are explained"
    if policy == RETRY and uncertain:
        assert all(each.doubts > 1 for each in uncertain), "under retry, a message was given up at its first doubt"
    arrived = sum(each.message_id in received for each in uncertain)
    sent = sum(each.state == "sent" for each in messages)
    return Figures(sent, len(uncertain), arrived, copies, len(missing))


def _ids(messages: Sequence[Any], received: Collection[str]) -> set[int]:
    return {each.id for each in messages if each.message_id in received}


def _often(values: Iterable[Any]) -> set[Any]:
    return {value for value, count in Counter(values).items() if count > 1}


def _none(offenders: Collection[Any], what: str) -> None:
    assert not offenders, f"{len(offenders)} {what}: {sorted(map(str, offenders))[:10]}"
