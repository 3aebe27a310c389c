"""Drawings for Music: a record, two guitars, a drum, a cassette, an echo."""

from collections.abc import Mapping

from newsletter.demo.sheet import Drawing, Sheet, smooth, turned

INK, PAPER, ORANGE, PINK, BLUE, MINT = "#17161c", "#f4efe6", "#f0642f", "#f2a7a0", "#2b4c9b", "#a9d3c1"


def record(sheet: Sheet) -> None:
    sheet.ground(PINK)
    sheet.rect(0, 0, 520, 800, "#e98a80")
    sheet.disc(660, 400, 340, INK)
    for radius in range(156, 335, 30):
        sheet.ring(660, 400, radius, 4, "#3c3a45")
    sheet.disc(660, 400, 128, ORANGE)
    sheet.slice(660, 400, 128, (150, 250), "#f6b73c")
    sheet.disc(660, 400, 16, PINK)
    sheet.disc(1090, 110, 58, PAPER)
    sheet.line([(1090, 110), (1060, 430), (930, 560)], PAPER, 16)
    sheet.shape(turned([(896, 548), (962, 548), (962, 590), (896, 590)], (929, 569), -45), INK)


def duet(sheet: Sheet) -> None:
    sheet.ground(PAPER)
    sheet.rect(0, 0, 600, 800, "#eadfca")
    _guitar(sheet, 430, 18, "#d1342c")
    _guitar(sheet, 770, -18, BLUE)


def _guitar(sheet: Sheet, x: float, lean: float, colour: str) -> None:
    centre = (x, 520)
    body = [(0, -130), (86, -104), (64, -14), (128, 92), (66, 190), (0, 202)]
    outline = [(x + dx, 520 + dy) for dx, dy in [*body, *[(-dx, dy) for dx, dy in reversed(body[1:-1])]]]
    sheet.shape(turned(smooth(outline), centre, lean), colour)
    neck = [(x - 17, 60), (x + 17, 60), (x + 17, 540), (x - 17, 540)]
    sheet.shape(turned(neck, centre, lean), INK)
    ((hole_x, hole_y),) = turned([(x, 520)], centre, lean)
    sheet.disc(hole_x, hole_y, 46, INK)
    sheet.shape(turned([(x - 52, 632), (x + 52, 632), (x + 52, 654), (x - 52, 654)], centre, lean), INK)
    head = [(x - 34, 10), (x + 34, 10), (x + 24, 100), (x - 24, 100)]
    sheet.shape(turned(head, centre, lean), INK)


def drum(sheet: Sheet) -> None:
    sheet.ground(MINT)
    for place, radius in enumerate(range(620, 60, -70)):
        sheet.disc(600, 400, radius, (MINT, "#8fc1ab", PAPER, "#d7e8df")[place % 4])
    sheet.disc(600, 400, 130, INK)
    sheet.disc(600, 400, 46, ORANGE)
    # One of seven is louder.
    for day in range(7):
        sheet.disc(180 + day * 140, 740, 20 if day == 1 else 9, ORANGE if day == 1 else INK)


def cassette(sheet: Sheet) -> None:
    sheet.ground(BLUE)
    for place in range(26):
        x = place * 54 - 90
        sheet.line([(x, -20), (x + 150, 820)], "#39599f", 6)
    sheet.rect(250, 190, 700, 440, PAPER, radius=28)
    sheet.rect(290, 230, 620, 220, MINT, radius=12)
    for stripe, colour in enumerate((ORANGE, "#f6b73c", PINK)):
        sheet.rect(290, 240 + stripe * 26, 620, 14, colour)
    sheet.rect(400, 330, 400, 110, INK, radius=55)
    for x, radius in ((460, 44), (740, 44)):
        sheet.disc(x, 385, radius, PAPER)
        sheet.disc(x, 385, 20, INK)
    sheet.rect(540, 362, 120, 46, "#6b5a4a")
    sheet.shape([(370, 630), (410, 530), (790, 530), (830, 630)], "#d9d2c4")
    for x in (450, 600, 750):
        sheet.disc(x, 590, 14, INK)


def echo(sheet: Sheet) -> None:
    sheet.ground("#8c4a2f")
    shades = ("#a65c3a", "#bf7148", "#d38a5c", "#e3a67b", "#efc4a0", PAPER)
    for place, colour in enumerate(shades):
        half, top = 520 - place * 84, 60 + place * 60
        sheet.disc(600, top + half, half, colour)
        sheet.rect(600 - half, top + half, half * 2, 800, colour)
    sheet.disc(600, 610, 20, INK)
    sheet.shape([(578, 636), (622, 636), (634, 800), (566, 800)], INK)


DRAWINGS: Mapping[str, Drawing] = {
    "record": record,
    "duet": duet,
    "drum": drum,
    "cassette": cassette,
    "echo": echo,
}
