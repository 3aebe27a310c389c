"""Names, a line each, what this machine lacks for some of the checks; the rest runs without."""

import shutil

from tests import postgres

CHROMIUM = "Chromium is missing, browser tests are skipped: apt-get install chromium"


def chromium() -> str | None:
    """Where a Chromium stands on this machine, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def missing() -> list[str]:
    """What is missing, in sentences."""
    lines = [] if postgres.is_available() else [postgres.MISSING]
    return lines if chromium() else [*lines, CHROMIUM]


if __name__ == "__main__":
    for line in missing():
        print(line)  # noqa: T201
