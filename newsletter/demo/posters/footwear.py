"""Drawings for Footwear: a sneaker, a mended sole, gumboots, left shoes."""

from collections.abc import Mapping, Sequence

from newsletter.demo.sheet import Drawing, Point, Sheet, smooth

INK, PAPER, YELLOW, TAN, GREEN, BLUE = "#1c1b1a", "#faf7f0", "#f2c230", "#b9824e", "#4f7a4a", "#3f6fa8"

# A low shoe seen from the side, its toe to the right, in a box of 100 by 50.
_UPPER: Sequence[Point] = ((3, 38), (4, 22), (7, 6), (12, 3), (17, 11), (27, 15), (36, 7), (41, 4), (52, 15), (66, 23))
_TOE: Sequence[Point] = ((82, 27), (93, 31), (97, 38), (90, 40), (50, 40), (10, 40))
_SOLE: Sequence[Point] = ((1, 37), (50, 38), (98, 37), (99, 42), (94, 47), (50, 48), (6, 48), (1, 44))


def sneaker(sheet: Sheet) -> None:
    sheet.ground(YELLOW)
    sheet.rect(0, 610, 1200, 190, "#e0ae1c")
    sheet.disc(640, 650, 450, "#c5960f", tall=26)
    _shoe(sheet, (140, 180), 9.4, (PAPER, "#e4ded1"))
    for place in range(6):
        x, y = 536 + place * 34, 262 + place * 23
        sheet.line([(x - 16, y + 26), (x + 30, y - 16)], "#b9b2a4", 9)
    sheet.line([(186, 420), (300, 432), (420, 470)], "#d6cfc0", 5)
    sheet.line([(800, 470), (850, 432), (940, 420)], "#d6cfc0", 5)


def cobbler(sheet: Sheet) -> None:
    sheet.ground("#31485c")
    sheet.rect(0, 0, 470, 800, "#3c566d")
    sole = [(560, 60), (660, 56), (730, 160), (724, 300), (668, 420), (676, 520), (700, 640), (640, 744), (540, 740)]
    sheet.shape(smooth([*sole, (490, 640), (520, 520), (506, 420), (460, 300), (476, 150)]), TAN)
    sheet.rect(500, 560, 190, 176, "#7c5230", radius=80)
    sheet.disc(590, 240, 86, "#d94f3d")
    for turn in range(12):
        _nail(sheet, turn)
    sheet.line([(860, 250), (1040, 430)], "#c79a63", 40)
    sheet.shape([(790, 240), (890, 140), (936, 186), (836, 286)], "#a9b3bb")


def _nail(sheet: Sheet, turn: int) -> None:
    places = ((1, 0), (0.87, 0.5), (0.5, 0.87), (0, 1), (-0.5, 0.87), (-0.87, 0.5))
    x, y = places[turn % 6]
    sign = 1 if turn < 6 else -1
    sheet.disc(590 + sign * x * 70, 240 + sign * y * 70, 6, "#f3e2c6")


def gumboots(sheet: Sheet) -> None:
    sheet.ground("#d8e4ea")
    for place in range(14):
        x = 40 + place * 88
        sheet.line([(x, 40 + place % 3 * 60), (x, 110 + place % 3 * 60)], "#a8c0cc", 6)
    sheet.rect(0, 690, 1200, 110, BLUE)
    sheet.rect(0, 690, 1200, 10, "#7ea5d3")
    for left, colour in ((330, GREEN), (610, "#5f9159")):
        boot = [(left, 160), (left + 150, 160), (left + 154, 520), (left + 250, 580), (left + 262, 690), (left, 690)]
        sheet.shape(boot, colour)
        sheet.rect(left - 6, 150, 162, 40, "#35583a", radius=8)
        sheet.rect(left - 8, 676, 278, 26, "#22331f", radius=8)
        sheet.disc(left + 215, 620, 34, "#79a873", tall=12)
    sheet.disc(940, 742, 120, "#5c8ac2", tall=8)


def pairs(sheet: Sheet) -> None:
    sheet.ground("#efe2d0")
    colours = (INK, TAN, "#a8432f", BLUE, GREEN, "#7b5b8a")
    for row in range(4):
        sheet.rect(0, 172 + row * 198, 1200, 14, "#8a6b48")
        for column in range(4):
            colour = colours[(row * 3 + column * 2) % 6]
            place = (40 + column * 290, 58 + row * 198)
            _shoe(sheet, place, 2.4, (colour, "#d8c7ac"), is_right=(row, column) == (2, 2))


def _shoe(sheet: Sheet, place: Point, size: float, colours: tuple[str, str], *, is_right: bool = False) -> None:
    for points, colour in (((*_UPPER, *_TOE), colours[0]), (_SOLE, colours[1])):
        mirrored = [(100 - x if is_right else x, y) for x, y in points]
        sheet.shape([(place[0] + x * size, place[1] + y * size) for x, y in smooth(mirrored)], colour)


DRAWINGS: Mapping[str, Drawing] = {"sneaker": sneaker, "cobbler": cobbler, "gumboots": gumboots, "pairs": pairs}
