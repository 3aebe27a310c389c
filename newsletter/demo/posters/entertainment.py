"""Drawings for Entertainment: a ferry, a stage, an elevator, weather, gravel."""

import random
from collections.abc import Mapping

from newsletter.demo.sheet import Drawing, Sheet

NIGHT, PAPER, RED, CREAM, GOLD, SEA = "#1b1d33", "#f6efe4", "#c02f3a", "#f0dcc0", "#e9b44c", "#3a6ea5"


def ferry(sheet: Sheet) -> None:
    sheet.ground("#f2c9a1")
    sheet.disc(820, 400, 230, "#fbe9cf")
    sheet.rect(0, 520, 1200, 280, SEA)
    for row in range(9):
        left = 40 + row * 173 % 700
        sheet.rect(left, 560 + row * 26, 180 + row * 61 % 260, 7, "#6d97c2", radius=3)
    sheet.shape([(250, 470), (860, 470), (800, 570), (300, 570)], NIGHT)
    sheet.rect(330, 400, 420, 72, PAPER)
    sheet.rect(400, 340, 260, 62, PAPER)
    sheet.rect(560, 250, 62, 92, RED)
    sheet.rect(560, 270, 62, 20, PAPER)
    for place in range(9):
        sheet.disc(362 + place * 45, 436, 11, NIGHT)
    sheet.disc(650, 205, 30, "#e7b58b")
    sheet.disc(706, 170, 44, "#e7b58b")


def stage(sheet: Sheet) -> None:
    sheet.ground(NIGHT)
    sheet.shape([(820, 0), (900, 0), (800, 700), (330, 700)], "#4a4a6b")
    sheet.disc(565, 690, 236, CREAM, tall=56)
    for place in range(6):
        sheet.rect(place * 38, 0, 24, 800, RED)
        sheet.rect(24 + place * 38, 0, 14, 800, "#8c1f29")
        sheet.rect(1162 - place * 38, 0, 24, 800, RED)
        sheet.rect(1148 - place * 38, 0, 14, 800, "#8c1f29")
    sheet.rect(0, 746, 1200, 54, "#0f1020")
    # A hat on a chair: somebody is waiting.
    sheet.rect(530, 560, 90, 12, NIGHT)
    sheet.rect(536, 480, 10, 190, NIGHT)
    sheet.rect(604, 570, 10, 100, NIGHT)
    sheet.disc(578, 556, 50, RED, tall=9)
    sheet.rect(552, 520, 52, 34, RED, radius=8)


def lift(sheet: Sheet) -> None:
    sheet.ground("#d9d4c7")
    for storey in range(5):
        top = storey * 160
        sheet.rect(0, top, 1200, 8, "#8f897c")
        for window in range(3):
            sheet.rect(70 + window * 120, top + 44, 76, 84, "#b9b3a4")
            sheet.rect(830 + window * 120, top + 44, 76, 84, "#b9b3a4")
    sheet.rect(480, 0, 240, 800, NIGHT)
    sheet.rect(596, 0, 8, 330, "#8f897c")
    sheet.rect(500, 330, 200, 142, GOLD)
    sheet.rect(500, 330, 200, 12, PAPER)
    for left, height in ((540, 80), (588, 96), (640, 70)):
        sheet.disc(left + 10, 464 - height, 15, NIGHT)
        sheet.rect(left - 6, 480 - height, 32, height - 8, NIGHT, radius=10)
    for place in range(5):
        sheet.disc(452, 80 + place * 160, 11, RED if place == 2 else "#8f897c")


def weather(sheet: Sheet) -> None:
    sheet.ground("#5f7f95")
    drops = random.Random("weather")  # noqa: S311 - the same rain every time
    for _ in range(70):
        x, y, length = drops.uniform(-60, 1200), drops.uniform(-60, 640), drops.uniform(30, 80)
        sheet.line([(x, y), (x + length * 0.45, y + length)], "#a9c0cf", 5)
    roofs = (RED, GOLD, CREAM, "#2f4858", RED, CREAM)
    for place, colour in enumerate(roofs):
        left = place * 205 - 20
        sheet.rect(left + 22, 590, 162, 140, PAPER)
        sheet.shape([(left, 596), (left + 103, 478 + place % 3 * 26), (left + 206, 596)], colour)
        sheet.rect(left + 84, 640, 36, 60, NIGHT)
    sheet.rect(0, 700, 1200, 100, "#2c4a63")
    for place in range(8):
        sheet.rect(30 + place * 150, 724 + place % 2 * 30, 96, 7, "#7fa2bd", radius=3)


def gravel(sheet: Sheet) -> None:
    sheet.ground("#4c4a46")
    stones = random.Random("gravel")  # noqa: S311 - the same stones every time
    for row in range(7):
        for column in range(10):
            x = column * 136 + row % 2 * 68 + stones.uniform(-14, 14)
            y = row * 130 + 10 + stones.uniform(-12, 12)
            shade = stones.choice(("#8d8880", "#a8a39a", "#c4beb2", "#77736c", "#dcd6c9"))
            colour = RED if (row, column) == (3, 6) else shade
            sheet.disc(x, y, stones.uniform(48, 64), colour, tall=stones.uniform(40, 56))


DRAWINGS: Mapping[str, Drawing] = {
    "ferry": ferry,
    "stage": stage,
    "lift": lift,
    "weather": weather,
    "gravel": gravel,
}
