"""A sheet of 1200 by 800 units to draw flat, poster-like shapes on."""

import math
from collections.abc import Callable, Iterable, Sequence

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1200, 800
# Drawn this many times larger and scaled down, because Pillow's own shapes have hard edges.
_SCALE = 2

Point = tuple[float, float]


class Sheet:
    """What a drawing is made on; all measures are units of the finished picture."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE))
        self._draw = ImageDraw.Draw(self._image)

    def finished(self) -> Image.Image:
        """The picture in its final size."""
        return self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)

    def ground(self, colour: str) -> None:
        """Paint the whole sheet."""
        self.rect(0, 0, WIDTH, HEIGHT, colour)

    def rect(self, x: float, y: float, width: float, height: float, colour: str, *, radius: float = 0) -> None:
        """A rectangle from its upper left corner."""
        box = _scaled([(x, y), (x + width, y + height)])
        # Pillow's boxes include their last pixel.
        inner = [box[0], (box[1][0] - 1, box[1][1] - 1)]
        self._draw.rounded_rectangle(inner, radius * _SCALE, fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: str, *, tall: float = 0) -> None:
        """A disc around its centre, an ellipse where `tall` gives another vertical radius."""
        high = tall or radius
        self._draw.ellipse(_scaled([(x - radius, y - high), (x + radius, y + high)]), fill=colour)

    def ring(self, x: float, y: float, radius: float, width: float, colour: str) -> None:
        """A circle line, `width` inwards from its radius."""
        box = _scaled([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.ellipse(box, outline=colour, width=round(width * _SCALE))

    def slice(self, x: float, y: float, radius: float, angles: tuple[float, float], colour: str) -> None:
        """A slice of a disc, clockwise between two angles in degrees from three o'clock."""
        box = _scaled([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.pieslice(box, *angles, fill=colour)

    def arc(self, x: float, y: float, radius: float, angles: tuple[float, float], pen: tuple[str, float]) -> None:
        """Part of a circle line in a pen's (colour, width)."""
        box = _scaled([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.arc(box, *angles, fill=pen[0], width=round(pen[1] * _SCALE))

    def shape(self, points: Iterable[Point], colour: str) -> None:
        """A polygon."""
        self._draw.polygon(_scaled(points), fill=colour)

    def line(self, points: Iterable[Point], colour: str, width: float) -> None:
        """A line through points, with round joints and ends."""
        points = list(points)
        self._draw.line(_scaled(points), fill=colour, width=round(width * _SCALE), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, colour)


Drawing = Callable[[Sheet], None]


def smooth(points: Sequence[Point], *, closed: bool = True) -> list[Point]:
    """A curve through the points (a uniform Catmull-Rom spline), as a polygon."""
    count = len(points)
    curve: list[Point] = []
    for place in range(count if closed else count - 1):
        around = [points[_neighbour(place + step, count, closed=closed)] for step in (-1, 0, 1, 2)]
        curve += [_between(around, step / 12) for step in range(12)]
    return curve if closed else [*curve, points[-1]]


def turned(points: Iterable[Point], centre: Point, degrees: float) -> list[Point]:
    """The points turned clockwise around a centre."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    moved = [(x - centre[0], y - centre[1]) for x, y in points]
    return [(centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine) for x, y in moved]


def box(x: float, y: float, width: float, height: float) -> list[Point]:
    """A rectangle's corners, for `turned`."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _scaled(points: Iterable[Point]) -> list[Point]:
    return [(x * _SCALE, y * _SCALE) for x, y in points]


def _neighbour(place: int, count: int, *, closed: bool) -> int:
    return place % count if closed else min(max(place, 0), count - 1)


def _between(around: Sequence[Point], t: float) -> Point:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = around
    return _spline(x0, x1, x2, x3, t), _spline(y0, y1, y2, y3, t)


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
