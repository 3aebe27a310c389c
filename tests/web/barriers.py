"""What is asked of every page and mail in a browser: nothing axe objects to, in light and dark, narrow and wide."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Each scheme and each width once, and every one with every other.
FEW = [("light", 320), ("dark", 1280)]
ALL = [*FEW, ("dark", 320), ("light", 1280)]
# A mail is shown inside the page of a mail program, whose landmarks are its own.
MAIL = ("landmark-one-main", "region")


def found(page: Page, looks: list[tuple[str, int]], without: tuple[str, ...] = ()) -> list[str]:
    """Everything wrong with the page that is open, each with its look: barriers, and what stands out of the window."""
    return [f"{scheme} {width}: {said}" for scheme, width in looks for said in _in_look(page, scheme, width, without)]


def _in_look(page: Page, scheme: str, width: int, without: tuple[str, ...]) -> list[str]:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    said = violations(page, without)
    if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
        said.append(f"needs {needed} pixels")
    return said


def violations(page: Page, without: tuple[str, ...] = ()) -> list[str]:
    """What axe objects to on the page as it is; what it found in order is not told, a fifth of the time."""
    options = {
        "runOnly": RULES,
        "rules": {name: {"enabled": False} for name in without},
        "resultTypes": ["violations"],
    }
    said = Axe().run(page, options=options).response["violations"]
    return [f"{each['id']} {node['html']}" for each in said for node in each["nodes"]]
