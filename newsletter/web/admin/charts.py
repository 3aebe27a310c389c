"""The growth chart: a picture drawn from spans of days, as numbers for a template to put into SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.feedback.growth import Span
from newsletter.web.admin import wording

_STEP = 10  # of one span, in the drawing's own units
_GAP = 2
_HEIGHT = 100


@dataclass(frozen=True)
class Bar:
    """One span: how high it reaches above the line and below it, and the net of both."""

    x: float
    above: float
    below: float
    net: float
    words: str


@dataclass(frozen=True)
class Chart:
    """A drawing `width` by `height` with a line at `zero`; the template stretches it."""

    title: str
    words: str
    width: int
    height: int
    zero: float
    bar: int
    bars: Sequence[Bar]
    most: int
    least: int
    spans: Sequence[Span]

    @property
    def line(self) -> str:
        """The net, from span to span."""
        return " ".join(f"{bar.x + self.bar / 2:g},{bar.net:g}" for bar in self.bars)


def growth(spans: Sequence[Span], *, title: str = "Growth") -> Chart:
    """Who came above the line, who left below it, the net as a line."""
    most, least = max((each.joined for each in spans), default=0), max((each.left for each in spans), default=0)
    # A little air above and below, and no division by nothing.
    scale = (_HEIGHT - 4) / max(most + least, 1)
    zero = round(2 + most * scale, 2)
    return Chart(
        title=title,
        words=_summary(spans),
        width=max(len(spans), 1) * _STEP,
        height=_HEIGHT,
        zero=zero,
        bar=_STEP - _GAP,
        bars=[
            Bar(
                x=number * _STEP + _GAP / 2,
                above=round(each.joined * scale, 2),
                below=round(each.left * scale, 2),
                net=round(zero - each.net * scale, 2),
                words=f"{when(each)}: {_told(each)}",
            )
            for number, each in enumerate(spans)
        ],
        most=most,
        least=least,
        spans=spans,
    )


def when(span: Span) -> str:
    """The day, or the week, in words."""
    if span.first_on == span.last_on:
        return wording.on(span.first_on)
    return f"{wording.on(span.first_on)} to {wording.on(span.last_on)}"


def _summary(spans: Sequence[Span]) -> str:
    if not spans:
        return "Nothing is counted yet."
    joined, left = sum(each.joined for each in spans), sum(each.left for each in spans)
    whole = Span(spans[0].first_on, spans[-1].last_on, joined, left, spans[-1].readers)
    return f"{when(whole)}: {_told(whole)}, {wording.count(whole.readers, 'reader', 'readers')} at the end."


def _told(span: Span) -> str:
    return f"{wording.number(span.joined)} joined, {wording.number(span.left)} left"
