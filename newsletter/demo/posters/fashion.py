"""Drawings for Fashion: a coat, a runway, a knitted pattern, a torch."""

from collections.abc import Mapping

from newsletter.demo.sheet import Drawing, Sheet, smooth

INK, PAPER, FOREST, ROSE, CAMEL, LILAC = "#191a1d", "#f5f0ea", "#1f4037", "#d7606b", "#cfa477", "#b7a6cf"


def coat(sheet: Sheet) -> None:
    sheet.ground(CAMEL)
    sheet.rect(640, 0, 560, 800, "#dcb88f")
    left = [(600, 96), (520, 120), (410, 170), (350, 420), (330, 640), (408, 650), (440, 420), (430, 780), (600, 780)]
    sheet.shape(left, FOREST)
    sheet.shape([(1200 - x, y) for x, y in left], FOREST)
    sheet.shape([(528, 112), (600, 330), (672, 112), (600, 96)], PAPER)
    sheet.shape([(520, 118), (600, 350), (470, 262)], "#2c584b")
    sheet.shape([(680, 118), (600, 350), (730, 262)], "#2c584b")
    sheet.rect(597, 350, 6, 430, "#122a24")
    pockets = ((466, 310), (670, 310), (462, 470), (662, 470), (462, 600), (662, 600), (346, 560), (788, 560))
    colours = (ROSE, "#e9c46a", LILAC, PAPER, "#7fb3a0", ROSE, "#e9c46a", LILAC)
    for (x, y), colour in zip(pockets, colours, strict=True):
        sheet.rect(x, y, 72, 62, colour, radius=6)
    for y in (400, 490, 580, 670):
        sheet.disc(622, y, 9, CAMEL)


def runway(sheet: Sheet) -> None:
    sheet.ground("#0e0d14")
    sheet.shape([(540, 230), (660, 230), (980, 800), (220, 800)], "#efe3c8")
    for x, y, size in ((600, 250, 0.42), (560, 330, 0.72), (650, 450, 1.15)):
        _figure(sheet, x, y, size)


def _figure(sheet: Sheet, x: float, y: float, size: float) -> None:
    sheet.disc(x, y - 120 * size, 26 * size, INK)
    half = [(0, -96), (34, -84), (46, 10), (36, 60), (88, 190)]
    outline = [*half, *[(-dx, dy) for dx, dy in reversed(half)]]
    sheet.shape([(x + dx * size, y + dy * size) for dx, dy in outline], ROSE if size > 1 else "#4b3a63")
    for dx in (-26, 10):
        sheet.rect(x + dx * size, y + 188 * size, 15 * size, 70 * size, INK)


def knit(sheet: Sheet) -> None:
    sheet.ground("#2b4070")
    for row in range(8):
        for column in range(12):
            x, y = column * 120 - 60, row * 118 - 30
            star = abs(column - 5) + abs(row - 3)
            colour = PAPER if star == 3 else ROSE if star in (0, 1, 5) else ""
            if colour:
                sheet.shape([(x, y), (x + 58, y + 66), (x + 58, y + 152), (x, y + 86)], colour)
                sheet.shape([(x + 116, y), (x + 58, y + 66), (x + 58, y + 152), (x + 116, y + 86)], colour)


def torch(sheet: Sheet) -> None:
    sheet.ground("#3b1420")
    sheet.shape([(210, 560), (1200, 60), (1200, 520)], "#f3d7a2")
    for row in range(4):
        for seat in range(9):
            x, y = seat * 150 - 60 + row % 2 * 75, 330 + row * 130
            outline = smooth([(x, y + 150), (x + 6, y + 30), (x + 60, y), (x + 114, y + 30), (x + 120, y + 150)])
            sheet.shape(outline, ("#6d1f33", "#7f2740", "#922f4b", "#a53a57")[row])
    sheet.line([(120, 610), (230, 555)], INK, 40)
    sheet.disc(230, 555, 32, "#f9ecd0")


DRAWINGS: Mapping[str, Drawing] = {"coat": coat, "runway": runway, "knit": knit, "torch": torch}
