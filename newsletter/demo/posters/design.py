"""Drawings for Design: a chair, a shopfront, a lamp, a door handle."""

from collections.abc import Mapping

from newsletter.demo.sheet import Drawing, Sheet, box, smooth, turned

INK, PAPER, SAND, RUST, OCHRE, TEAL = "#1d2326", "#f3ede2", "#e2d4bd", "#c8502d", "#e3a43a", "#2f6f73"


def chair(sheet: Sheet) -> None:
    sheet.ground(SAND)
    sheet.rect(0, 640, 1200, 160, "#cdb994")
    sheet.disc(840, 300, 210, OCHRE)
    sheet.shape([(440, 120), (490, 120), (500, 440), (450, 440)], RUST)
    for height in (150, 220, 290):
        sheet.shape([(455, height), (690, height - 18), (692, height + 24), (458, height + 42)], RUST)
    sheet.shape([(665, 100), (712, 100), (712, 430), (665, 430)], RUST)
    sheet.shape([(410, 430), (730, 418), (790, 478), (450, 492)], INK)
    sheet.shape([(465, 490), (505, 490), (480, 690), (450, 690)], INK)
    sheet.shape([(735, 480), (775, 476), (800, 680), (772, 680)], INK)
    # The legs that are still to come lie on the floor.
    sheet.shape(turned(box(820, 700, 230, 26), (935, 713), -6), INK)
    sheet.shape(turned(box(150, 706, 210, 26), (255, 719), 4), INK)


def workshop(sheet: Sheet) -> None:
    sheet.ground(TEAL)
    sheet.shape([(0, 800), (0, 120), (760, 180), (760, 800)], PAPER)
    sheet.shape([(760, 800), (760, 180), (1200, 60), (1200, 800)], "#d8cdb8")
    sheet.shape([(0, 210), (760, 250), (760, 370), (0, 350)], RUST)
    sheet.shape([(760, 250), (1200, 160), (1200, 310), (760, 370)], "#9c3b1e")
    # The letters of the sign, which turn the corner.
    for place in range(14):
        left = 30 + place * 52
        sheet.rect(left, 266 + left * 0.05, 12 + place * 7 % 22, 56, PAPER)
    for place in range(6):
        left = 790 + place * 66
        top = 284 - (left - 760) * 0.2
        sheet.shape([(left, top), (left + 24, top - 5), (left + 24, top + 58), (left, top + 62)], SAND)
    sheet.rect(90, 420, 300, 300, INK)
    sheet.rect(110, 440, 125, 260, OCHRE)
    sheet.rect(250, 440, 120, 260, "#f0c675")
    sheet.rect(480, 420, 170, 380, INK)
    sheet.disc(620, 620, 10, OCHRE)
    sheet.shape([(830, 440), (1120, 410), (1120, 660), (830, 660)], INK)
    sheet.shape([(850, 458), (1100, 432), (1100, 640), (850, 640)], "#53888b")


def lamp(sheet: Sheet) -> None:
    sheet.ground("#20242c")
    sheet.shape([(520, 330), (700, 330), (1010, 800), (210, 800)], "#f2c14e")
    sheet.shape([(550, 330), (670, 330), (850, 800), (370, 800)], "#f8dc8f")
    sheet.slice(610, 330, 170, (180, 360), RUST)
    sheet.line([(610, 160), (610, 60), (930, 0)], PAPER, 10)
    sheet.disc(610, 336, 46, "#fff6dd")
    sheet.rect(0, 700, 1200, 100, "#11141a")
    sheet.disc(610, 700, 330, "#d89f2b", tall=26)


def handle(sheet: Sheet) -> None:
    sheet.ground("#274e50")
    sheet.rect(0, 0, 700, 800, "#2f6f73")
    sheet.rect(320, 110, 190, 580, "#d9b26a", radius=95)
    sheet.disc(415, 270, 70, "#8d6a2c")
    sheet.rect(415, 228, 470, 84, OCHRE, radius=42)
    sheet.rect(415, 228, 470, 26, "#f2c878", radius=13)
    sheet.disc(415, 270, 44, "#f2c878")
    sheet.disc(415, 560, 30, INK)
    sheet.shape([(402, 570), (428, 570), (440, 640), (390, 640)], INK)
    hand = [(1010, 800), (960, 640), (900, 520), (905, 440), (960, 470), (1010, 540), (1040, 430), (1090, 420)]
    sheet.shape(smooth([*hand, (1200, 430), (1260, 620), (1230, 820)]), "#e9c9a8")


DRAWINGS: Mapping[str, Drawing] = {"chair": chair, "workshop": workshop, "lamp": lamp, "handle": handle}
