"""Drawings for Tech & Gadgets: a phone, an e-reader, a spreadsheet, headphones."""

import random
from collections.abc import Mapping

from newsletter.demo.sheet import Drawing, Sheet, box, smooth, turned

INK, PAPER, BLUE, CORAL, LIME, SLATE = "#14181f", "#eef0f2", "#3c5bd6", "#ff7a59", "#c6d94a", "#5c6773"


def phone(sheet: Sheet) -> None:
    sheet.ground(BLUE)
    sheet.disc(180, 700, 330, "#5571e0")
    for offset, colours in ((110, ("#2a44ae", "#2a44ae")), (0, (INK, PAPER))):
        centre = (600 + offset, 400 + offset * 0.4)
        left, top = centre[0] - 150, centre[1] - 300
        sheet.shape(turned(box(left, top, 300, 600), centre, 12), colours[0])
        sheet.shape(turned(box(left + 18, top + 18, 264, 564), centre, 12), colours[1])
    # The question it asks.
    hook = [(532, 330), (548, 266), (606, 238), (664, 268), (668, 334), (622, 392), (598, 440), (594, 486)]
    sheet.line(smooth(hook, closed=False), CORAL, 34)
    sheet.disc(586, 560, 25, CORAL)


def reader(sheet: Sheet) -> None:
    sheet.ground(LIME)
    sheet.shape([(0, 800), (520, 0), (1200, 0), (1200, 800)], "#b3c63a")
    sheet.rect(390, 70, 440, 660, INK, radius=30)
    sheet.rect(424, 108, 372, 496, PAPER)
    lengths = (270, 264, 280, 318, 180, 320, 296, 324, 312, 240)
    for place, length in enumerate(lengths):
        top = 146 + place * 38 + (30 if place > 4 else 0)
        sheet.rect(448, top, length, 12, SLATE if place < 5 else "#a9b1ba", radius=3)
    sheet.shape([(740, 108), (776, 108), (776, 190), (758, 170), (740, 190)], CORAL)
    sheet.disc(610, 666, 36, CORAL)


def spreadsheet(sheet: Sheet) -> None:
    sheet.ground("#0d3b2e")
    cells = random.Random("spreadsheet")  # noqa: S311 - the same town every time
    for row in range(10):
        for column in range(9):
            x, y = column * 132 + 12, row * 78 + 14
            lit = cells.random()
            colour = LIME if lit > 0.92 else CORAL if lit > 0.86 else "#7fc8a9" if lit > 0.7 else "#14533f"
            sheet.rect(x, y, 122, 68, colour)
            if 0.3 < lit <= 0.7:
                sheet.rect(x + 14, y + 28, 30 + lit * 80, 10, "#2c7a5f")
    sheet.rect(12 + 132 * 5 - 5, 14 + 78 * 4 - 5, 132, 78, PAPER)
    sheet.rect(12 + 132 * 5 + 3, 14 + 78 * 4 + 3, 116, 62, "#14533f")


def headphones(sheet: Sheet) -> None:
    sheet.ground(CORAL)
    sheet.disc(600, 440, 360, "#ff9a7d")
    sheet.arc(600, 400, 270, (180, 360), (INK, 44))
    for left, inward in ((300, 1), (780, -1)):
        sheet.rect(left, 380, 120, 260, INK, radius=56)
        sheet.rect(left + 60 + inward * 38 - 22, 410, 44, 200, PAPER, radius=20)
    # The one person who is let in.
    sheet.disc(600, 470, 40, PAPER)
    sheet.slice(600, 620, 90, (180, 360), PAPER)
    for radius in (420, 490, 560):
        sheet.arc(600, 440, radius, (150, 210), ("#e2593a", 12))
        sheet.arc(600, 440, radius, (-30, 30), ("#e2593a", 12))


DRAWINGS: Mapping[str, Drawing] = {
    "phone": phone,
    "reader": reader,
    "spreadsheet": spreadsheet,
    "headphones": headphones,
}
