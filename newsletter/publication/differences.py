"""What changed between two versions of a text: lines taken out, put in or reworded, these word by word."""

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# Comparing takes time by the square: longer stretches than these are shown whole, as taken out and put in.
# 400 lines in reverse order take 7 ms.
_LINES = 400
_WORDS = 600
# Words that all the reworded lines of a stretch may have together.
_STRETCH = 6000
# Two lines that share less than this are two lines, not one reworded.
_ALIKE = 0.4
# Unchanged lines shown before and after a change.
_AROUND = 2


class Mark(enum.StrEnum):
    SAME = "same"
    GONE = "gone"
    NEW = "new"
    REWORDED = "reworded"  # a line of pieces, some of them gone or new
    SKIPPED = "skipped"  # a stretch of unchanged lines


@dataclass(frozen=True)
class Piece:
    """Words of a line that stayed, went or came."""

    mark: Mark
    text: str


@dataclass(frozen=True)
class Line:
    """A line of the comparison; a skipped one stands for `count` unchanged lines."""

    mark: Mark
    pieces: tuple[Piece, ...] = ()
    count: int = 1


def between(before: str, after: str) -> list[Line]:
    """Every line of both texts in reading order; none is marked where they are equal."""
    old, new = before.split("\n"), after.split("\n")
    found: list[Line] = []
    for tag, old_from, old_to, new_from, new_to in _opcodes(old, new, limit=_LINES):
        if tag == "equal":
            found += [_whole(Mark.SAME, line) for line in new[new_from:new_to]]
        else:
            found += _replaced(old[old_from:old_to], new[new_from:new_to])
    return found


def folded(lines: Sequence[Line]) -> list[Line]:
    """The changes, each with the lines around it; longer unchanged stretches as one line. Nothing changed: nothing."""
    changed = [number for number, line in enumerate(lines) if line.mark is not Mark.SAME]
    if not changed:
        return []
    near = {each for number in changed for each in range(number - _AROUND, number + _AROUND + 1)}
    # One line alone is shown: to say that it was left out takes as much room.
    near |= {number for number in range(len(lines)) if {number - 1, number + 1} <= near | {-1, len(lines)}}
    found: list[Line] = []
    for number, line in enumerate(lines):
        if number in near:
            found.append(line)
        elif found and found[-1].mark is Mark.SKIPPED:
            found[-1] = Line(Mark.SKIPPED, count=found[-1].count + 1)
        else:
            found.append(Line(Mark.SKIPPED))
    return found


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    paired = min(len(old), len(new))
    is_long = sum(map(len, map(str.split, (*old[:paired], *new[:paired])))) > _STRETCH
    for before, after in zip(old, new, strict=False):
        yield from [_whole(Mark.GONE, before), _whole(Mark.NEW, after)] if is_long else _reworded(before, after)
    yield from (_whole(Mark.GONE, line) for line in old[paired:])
    yield from (_whole(Mark.NEW, line) for line in new[paired:])


def _reworded(before: str, after: str) -> list[Line]:
    old, new = _words(before), _words(after)
    opcodes = _opcodes(old, new, limit=_WORDS)
    kept = sum(old_to - old_from for tag, old_from, old_to, _, _ in opcodes if tag == "equal")
    if kept < _ALIKE * max(len(old), len(new)):
        return [_whole(Mark.GONE, before), _whole(Mark.NEW, after)]
    pieces: list[Piece] = []
    for tag, old_from, old_to, new_from, new_to in opcodes:
        if tag == "equal":
            pieces.append(Piece(Mark.SAME, "".join(old[old_from:old_to])))
            continue
        # Taken out and put in are each said, never one over the other.
        for mark, words in ((Mark.GONE, old[old_from:old_to]), (Mark.NEW, new[new_from:new_to])):
            if words:
                pieces.append(Piece(mark, "".join(words)))
    return [Line(Mark.REWORDED, tuple(pieces))]


def _words(line: str) -> list[str]:
    """Words and the spaces between them; spaces alone are what a line of them is made of."""
    return re.findall(r"\s+|\w+|[^\w\s]", line)


def _opcodes(old: Sequence[str], new: Sequence[str], *, limit: int) -> list[tuple[str, int, int, int, int]]:
    """difflib's, after what both begin and end with, which takes no comparing."""
    shorter = min(len(old), len(new))
    head = next((number for number in range(shorter) if old[number] != new[number]), shorter)
    tail = next((n for n in range(shorter - head) if old[-1 - n] != new[-1 - n]), shorter - head)
    old_end, new_end = len(old) - tail, len(new) - tail
    found = [("equal", 0, head, 0, head)] if head else []
    middle = (old[head:old_end], new[head:new_end])
    if max(map(len, middle)) > limit:
        found.append(("replace", head, old_end, head, new_end))
    elif any(middle):
        # Spaces and empty lines are everywhere: they anchor nothing.
        matcher = SequenceMatcher(str.isspace, *middle)
        found += [(tag, *(head + place for place in places)) for tag, *places in matcher.get_opcodes()]  # type: ignore[misc]
    if tail:
        found.append(("equal", old_end, len(old), new_end, len(new)))
    return found


def _whole(mark: Mark, line: str) -> Line:
    return Line(mark, (Piece(mark, line),))
