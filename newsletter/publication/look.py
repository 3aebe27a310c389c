"""The tokens of colour, type and space that public pages, desk and mails all take their values from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff",
    "wash": "#f6f4f0",
    "ink": "#1c1a17",
    "soft": "#5f5a52",
    "line": "#ddd8cf",
    "field-line": "#857f75",
    "good": "#1d6b3f",
    "warn": "#8a5300",
    "bad": "#a4161a",
}
DARK: Mapping[str, str] = {
    "paper": "#17181a",
    "wash": "#1f2124",
    "ink": "#ece9e4",
    "soft": "#b2aca2",
    "line": "#3a3c40",
    "field-line": "#8f8a82",
    "good": "#7fd1a0",
    "warn": "#f0b866",
    "bad": "#ff9d97",
}
FONTS: Mapping[str, tuple[str, str]] = {
    # name: (headlines, everything else); faces that are on readers' machines already.
    "serif": (
        'Georgia, "Iowan Old Style", "Times New Roman", serif',
        "system-ui, -apple-system, Helvetica, Arial, sans-serif",
    ),
    "sans": ("Helvetica, Arial, sans-serif", "system-ui, -apple-system, Helvetica, Arial, sans-serif"),
    "slab": ('Rockwell, "Roboto Slab", Georgia, serif', "system-ui, -apple-system, Helvetica, Arial, sans-serif"),
}
# A scale of about 1.25 and a rhythm of 4 px.
TYPE = {"tiny": "12px", "small": "14px", "text": "17px", "large": "21px", "title": "27px", "display": "36px"}
SPACE = {"1": "4px", "2": "8px", "3": "12px", "4": "16px", "5": "24px", "6": "40px", "7": "64px"}

# WCAG 1.4.3 for text of ordinary size.
CONTRAST = 4.5


@dataclass(frozen=True)
class Reading:
    """How an accent is read on one ground: the colour it becomes there, and the contrast of that on the paper."""

    ground: str  # "light" or "dark"
    paper: str
    colour: str
    contrast: float
    on: str  # what is written on the colour


def readings(accent: str) -> list[Reading]:
    """The accent on light and on dark paper."""
    grounds = zip(("light", "dark"), (LIGHT["paper"], DARK["paper"]), accents(accent), strict=True)
    return [Reading(name, paper, colour, contrast(colour, paper), on(colour)) for name, paper, colour in grounds]


def accents(accent: str) -> tuple[str, str]:
    """The masthead's accent made readable on light and on dark paper: (light, dark), hex colours."""
    return _readable(accent, LIGHT["wash"], "#000000"), _readable(accent, DARK["wash"], "#ffffff")


def on(accent: str) -> str:
    """Black or white, whichever is read better on the given colour."""
    return max(("#ffffff", "#111111"), key=lambda ink: contrast(ink, accent))


def css(accent: str, fonts: str) -> str:
    """The stylesheet of custom properties for pages, in light and dark."""
    light, dark = accents(accent)
    headline, body = FONTS[fonts]
    fixed = {f"type-{name}": size for name, size in TYPE.items()} | {
        f"space-{name}": size for name, size in SPACE.items()
    }
    fixed |= {"font-headline": headline, "font-body": body, "radius": "4px", "motion": "120ms", "measure": "66ch"}
    day = {**LIGHT, "accent": light, "on-accent": on(light)}
    night = {**DARK, "accent": dark, "on-accent": on(dark)}
    return (
        f":root{{color-scheme:light dark;{_declare(fixed)}{_declare(day)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{_declare(night)}}}}}\n"
    )


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two hex colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def is_colour(text: str) -> bool:
    """Whether a text is a colour we can compute with: #rrggbb."""
    return re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None


def _readable(colour: str, paper: str, towards: str) -> str:
    for step in range(21):
        mixed = _mix(colour, towards, step / 20)
        if contrast(mixed, paper) >= CONTRAST:
            return mixed
    return towards


def _mix(colour: str, towards: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(towards), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _luminance(colour: str) -> float:
    red, green, blue = (
        c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _declare(tokens: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in tokens.items())
