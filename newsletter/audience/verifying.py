"""Whether the consent chains are whole: every line's hash, order and number, and the details still kept beside."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, select

from newsletter import db
from newsletter.audience import chain
from newsletter.audience.models import ConsentDetail, ConsentKind, ConsentRecord, Part, Subscriber

_PAGE = 1000


def problems_of(subscriber_id: int) -> list[str]:
    """What is wrong with one person's chain, in sentences; empty when it is whole."""
    return [problem for _, problem in _problems([subscriber_id], at_most=20)]


def broken(*, at_most: int = 20) -> list[str]:
    """What is wrong with all chains: "5: line 2 was changed". Walked by key, never all in memory."""
    found: list[str] = []
    after = 0
    while len(found) < at_most and (ids := _next_ids(after)):
        found += [f"{reader}: {problem}" for reader, problem in _problems(ids, at_most=at_most - len(found))]
        after = ids[-1]
    return found


def _next_ids(after: int) -> list[int]:
    """The next persons who have lines, or ought to have."""
    lines = select(ConsentRecord.subscriber_id).where(ConsentRecord.subscriber_id > after)
    people = select(Subscriber.id).where(Subscriber.id > after, Subscriber.records_made > 0)
    either = lines.union(people).subquery()
    return list(db.session.scalars(select(either.c[0]).order_by(either.c[0]).limit(_PAGE)))


def _problems(ids: Sequence[int], *, at_most: int) -> list[tuple[int, str]]:
    made = dict(db.session.execute(_made(ids)).all())
    beside = {(each.subscriber_id, each.number, each.part): each for each in db.session.execute(_details(ids))}
    found: list[tuple[int, str]] = []
    lines = groupby(db.session.execute(_lines(ids)), key=lambda line: line.subscriber_id)
    chains = {reader: list(group) for reader, group in lines}
    for reader in ids:
        for problem in _of_chain(chains.get(reader, []), made.get(reader), beside):
            found.append((reader, problem))
            if len(found) == at_most:
                return found
    return found


def _of_chain(lines: Sequence[Row[Any]], made: int | None, beside: dict[Any, Any]) -> Iterator[str]:
    previous = chain.START
    is_erased = bool(lines) and lines[-1].kind is ConsentKind.ERASED
    for place, line in enumerate(lines, start=1):
        if line.number != place:
            yield f"line {place} is missing"
            return
        if chain.hash_of(line._asdict(), previous) != line.hash:
            yield f"line {line.number} was changed"
            return
        yield from _of_details(line, beside, is_erased=is_erased)
        previous = line.hash
    if made is not None and made != len(lines):
        yield f"{made} lines were made, {len(lines)} are there"


def _of_details(line: Row[Any], beside: dict[Any, Any], *, is_erased: bool) -> Iterator[str]:
    for part, digest in ((Part.PERSON, line.person_digest), (Part.NETWORK, line.network_digest)):
        kept = beside.get((line.subscriber_id, line.number, part))
        if kept is None:
            # Network details are forgotten after some days.
            if part is Part.PERSON and digest and not is_erased:
                yield f"the details of line {line.number} are missing"
        elif chain.Detail(kept.content, kept.salt).digest != digest:
            yield f"the details of line {line.number} were changed"


def _made(ids: Sequence[int]) -> Select[int, int]:
    return select(Subscriber.id, Subscriber.records_made).where(Subscriber.id.in_(ids))


def _lines(ids: Sequence[int]) -> Select[Any]:
    # As plain rows, under the attributes' names.
    columns = [getattr(ConsentRecord, name).label(name) for name in ConsentRecord.__mapper__.column_attrs.keys()]  # noqa: SIM118
    return (
        select(*columns)
        .where(ConsentRecord.subscriber_id.in_(ids))
        .order_by(ConsentRecord.subscriber_id, ConsentRecord.number)
    )


def _details(ids: Sequence[int]) -> Select[Any]:
    columns = (
        *(ConsentDetail.subscriber_id, ConsentDetail.number, ConsentDetail.part),
        *(ConsentDetail.salt, ConsentDetail.content),
    )
    return select(*columns).where(ConsentDetail.subscriber_id.in_(ids))
