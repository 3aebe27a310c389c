"""Drawings for Art: a lent wall, a puddle, a window, a forgery, a mural."""

from collections.abc import Mapping

from newsletter.demo.sheet import Drawing, Sheet, box, smooth, turned

INK, PAPER, RED, BLUE, YELLOW, GREY = "#202020", "#f4f1ea", "#d0342c", "#24509c", "#f1bf2c", "#c9c5bd"


def gallery(sheet: Sheet) -> None:
    sheet.ground("#8fa39a")
    sheet.rect(0, 680, 1200, 120, "#6d5640")
    centre = (600, 400)
    for corners, colour in (
        (box(290, 90, 620, 580), PAPER),
        (box(290, 640, 620, 30), GREY),
        (box(410, 190, 380, 330), INK),
        (box(428, 208, 344, 294), YELLOW),
        (box(428, 208, 150, 294), BLUE),
        (box(578, 380, 194, 122), RED),
    ):
        sheet.shape(turned(corners, centre, -5), colour)
    x, y = turned([(600, 300)], centre, -5)[0]
    sheet.disc(x, y, 62, PAPER)
    sheet.rect(930, 620, 220, 16, INK)
    sheet.rect(950, 636, 14, 64, INK)
    sheet.rect(1116, 636, 14, 64, INK)


def puddle(sheet: Sheet) -> None:
    sheet.ground("#7d7a74")
    for row in range(6):
        for column in range(8):
            sheet.rect(column * 170 - 60 + row % 2 * 85, row * 140 - 10, 162, 132, "#8b8882")
    edge = [(210, 470), (330, 320), (560, 300), (720, 220), (930, 300), (1010, 450), (900, 610), (620, 590), (380, 640)]
    sheet.shape(smooth(edge), "#2d5f7c")
    sheet.shape(smooth([(x * 0.86 + 90, y * 0.84 + 70) for x, y in edge]), "#3f7b9b")
    sheet.rect(640, 330, 12, 230, "#16303f")
    sheet.disc(646, 340, 44, "#f7e3a1")
    sheet.disc(646, 340, 26, "#fff7dd")
    sheet.rect(490, 440, 96, 6, "#9cc3d6", radius=3)
    sheet.rect(740, 480, 140, 6, "#9cc3d6", radius=3)


def window(sheet: Sheet) -> None:
    sheet.ground("#4a4f57")
    sheet.rect(330, 70, 540, 640, PAPER)
    sheet.rect(360, 100, 480, 580, "#2f343b")
    sheet.rect(360, 400, 480, 280, "#a9cfe4")
    sheet.rect(360, 560, 480, 120, YELLOW)
    hills = smooth([(360, 600), (470, 540), (600, 566), (740, 520), (840, 560)], closed=False)
    sheet.shape([*hills, (840, 680), (360, 680)], "#dca51e")
    sheet.disc(740, 470, 36, PAPER)
    sheet.rect(360, 386, 480, 26, PAPER)
    sheet.rect(588, 100, 24, 300, PAPER)
    curtain = [(360, 100), (470, 100), (450, 260), (500, 420), (420, 560), (440, 640), (360, 620)]
    sheet.shape(smooth(curtain), "#c7574d")
    sheet.rect(290, 700, 620, 34, PAPER)
    sheet.rect(760, 646, 62, 56, BLUE, radius=8)
    sheet.ring(826, 672, 20, 8, BLUE)


def forgery(sheet: Sheet) -> None:
    sheet.ground("#56413a")
    for left, is_wrong in ((150, False), (650, True)):
        sheet.rect(left, 110, 400, 560, YELLOW)
        sheet.rect(left + 26, 136, 348, 508, "#33505a")
        sheet.slice(left + 200, 650, 160, (180, 360), RED)
        sheet.disc(left + 200, 370, 100, "#e8c6a0", tall=128)
        sheet.slice(left + 200, 330, 108, (180, 360), INK)
        nose = 1 if is_wrong else -1
        sheet.shape([(left + 200, 350), (left + 200 + nose * 58, 430), (left + 200, 430)], "#c99b6d")
        for eye in (-42, 42):
            sheet.disc(left + 200 + eye, 358, 11, INK)
        smile = (20, 160) if is_wrong else (200, 340)
        sheet.arc(left + 200, 452 if is_wrong else 488, 30, smile, (INK, 7))


def train(sheet: Sheet) -> None:
    sheet.ground("#e8dfcf")
    for place, colour in enumerate((BLUE, "#f08a3c", RED, "#2f7d6b", YELLOW, BLUE, "#f08a3c")):
        left = place * 210 - 160
        sheet.shape([(left, 0), (left + 130, 0), (left + 330, 800), (left + 200, 800)], colour)
    sheet.disc(640, 330, 120, "#f3d3b0")
    sheet.shape(smooth([(560, 440), (720, 440), (780, 560), (960, 330), (990, 350), (820, 700), (500, 700)]), PAPER)
    sheet.rect(0, 0, 1200, 120, INK)
    sheet.rect(0, 610, 1200, 190, INK)
    for x in (0, 380, 780, 1160):
        sheet.rect(x, 0, 44, 800, INK)
    sheet.rect(0, 660, 1200, 22, RED)


DRAWINGS: Mapping[str, Drawing] = {
    "gallery": gallery,
    "puddle": puddle,
    "window": window,
    "forgery": forgery,
    "train": train,
}
