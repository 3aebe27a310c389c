"""Drawings for Gaming: an orchard, a city, a board, a console for two, a lighthouse."""

import math
import random
from collections.abc import Mapping

from newsletter.demo.sheet import Drawing, Sheet, smooth

INK, PAPER, PURPLE, CYAN, YELLOW, GREEN = "#191528", "#f3effa", "#5b3fa0", "#53c1c9", "#f4c542", "#4c8c5a"


def orchard(sheet: Sheet) -> None:
    sheet.ground("#bfe0e2")
    sheet.disc(980, 170, 80, PAPER)
    hills = (("#8fbf8a", 430), ("#6ea873", 520), (GREEN, 620))
    for place, (colour, top) in enumerate(hills):
        crest = [(0, top + 40), (300, top - 50 + place * 50), (620, top + 20), (920, top - 40), (1200, top + 10)]
        sheet.shape([*smooth(crest, closed=False), (1200, 800), (0, 800)], colour)
    for row, (size, top) in enumerate(((26, 440), (38, 530), (56, 640))):
        for place in range(9 - row * 2):
            x = 60 + place * (130 + row * 40) + row * 30
            is_ripe = (row, place) == (2, 2)
            sheet.rect(x - size * 0.14, top, size * 0.28, size * 1.5, "#5a4632")
            sheet.disc(x, top, size, YELLOW if is_ripe else ("#2f6b45", "#3c7d4f", "#27593a")[place % 3])


def city(sheet: Sheet) -> None:
    sheet.ground(PURPLE)
    heights = random.Random("city")  # noqa: S311 - the same town every time
    for row in range(6):
        for column in range(6):
            x, y = 600 + (column - row) * 92, 250 + (column + row) * 48
            _tower(sheet, x, y, heights.choice((16, 40, 70, 120, 180)))


def _tower(sheet: Sheet, x: float, y: float, height: float) -> None:
    roof = YELLOW if height > 150 else CYAN if height > 60 else "#8d74cf"
    top = y - height
    sheet.shape([(x - 80, y), (x, y + 42), (x, top + 42), (x - 80, top)], "#3a2672")
    sheet.shape([(x + 80, y), (x, y + 42), (x, top + 42), (x + 80, top)], "#7a5fc4")
    sheet.shape([(x, top - 42), (x + 80, top), (x, top + 42), (x - 80, top)], roof)


def board(sheet: Sheet) -> None:
    sheet.ground("#6b543a")
    colours = ("#e5cf9f", "#e5cf9f", GREEN, "#7fb069", CYAN, CYAN, "#2f8f9d")
    for row in range(6):
        for column in range(8):
            x, y = column * 184 + row % 2 * 92, row * 160 + 4
            strait = abs(column + row * 0.4 - 4.4)
            colour = colours[6] if strait < 0.9 else colours[(row * 5 + column * 3) % 4 + (1 if strait < 2 else 0)]
            angles = [turn * math.pi / 3 for turn in range(6)]
            sheet.shape([(x + 102 * math.sin(angle), y + 102 * math.cos(angle)) for angle in angles], colour)
    for x, y, colour in ((470, 350, "#d1342c"), (790, 240, PAPER), (340, 580, YELLOW), (860, 590, "#d1342c")):
        sheet.disc(x, y + 30, 30, INK, tall=10)
        sheet.shape([(x - 26, y + 30), (x + 26, y + 30), (x, y - 46)], colour)
        sheet.disc(x, y - 46, 19, colour)


def console(sheet: Sheet) -> None:
    sheet.ground(CYAN)
    sheet.rect(600, 0, 600, 800, "#3aa6af")
    cable = [(310, 470), (330, 640), (520, 690), (600, 560), (700, 470), (850, 540), (890, 330)]
    sheet.line(smooth(cable, closed=False), INK, 14)
    _pad(sheet, 310, 330, PAPER)
    _pad(sheet, 890, 330, YELLOW)


def _pad(sheet: Sheet, x: float, y: float, colour: str) -> None:
    half = [(0, -110), (120, -120), (196, -40), (222, 110), (160, 160), (92, 70), (0, 60)]
    outline = [*half, *[(-dx, dy) for dx, dy in reversed(half[1:-1])]]
    sheet.shape(smooth([(x + dx, y + dy) for dx, dy in outline]), colour)
    sheet.rect(x - 142, y - 46, 82, 26, INK, radius=6)
    sheet.rect(x - 114, y - 74, 26, 82, INK, radius=6)
    for dx, dy, button in ((104, -68, "#d1342c"), (138, -32, PURPLE), (70, -32, GREEN), (104, 4, INK)):
        sheet.disc(x + dx, y + dy, 17, button)


def lighthouse(sheet: Sheet) -> None:
    sheet.ground(INK)
    sheet.shape([(610, 190), (0, 20), (0, 330)], "#4b4470")
    sheet.shape([(610, 190), (1200, 60), (1200, 300)], "#f7e6a6")
    stars = random.Random("lighthouse")  # noqa: S311 - the same sky every time
    for _ in range(40):
        sheet.disc(stars.uniform(0, 1200), stars.uniform(0, 440), stars.uniform(1.5, 4), "#8f88b8")
    sheet.rect(0, 620, 1200, 180, "#22305c")
    for row in range(6):
        sheet.rect(60 + row * 197 % 800, 650 + row * 24, 240, 6, "#4a5d96", radius=3)
    sheet.shape(smooth([(330, 700), (430, 600), (610, 570), (800, 600), (900, 700)]), "#0d0b17")
    for stripe in range(6):
        top = 240 + stripe * 60
        grow = stripe * 9
        corners = [(555 - grow, top), (665 + grow, top), (674 + grow, top + 60), (546 - grow, top + 60)]
        sheet.shape(corners, "#d1342c" if stripe % 2 else PAPER)
    sheet.rect(540, 224, 140, 18, PAPER)
    sheet.rect(568, 150, 84, 76, YELLOW)
    sheet.shape([(550, 152), (670, 152), (610, 90)], "#d1342c")


DRAWINGS: Mapping[str, Drawing] = {
    "orchard": orchard,
    "city": city,
    "board": board,
    "console": console,
    "lighthouse": lighthouse,
}
