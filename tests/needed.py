"""Names, a line each, what this machine lacks for some of the checks; the rest runs without."""

import shutil

from tests import postgres

CHROMIUM = "Chromium is missing, browser tests are skipped: apt-get install chromium"


SMTP_SINK = "Postfix's smtp-sink is missing, the tests against it are skipped: apt-get install postfix"


def smtp_sink() -> str | None:
    """Where Postfix's test receiver stands on this machine, or None."""
    return shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def chromium() -> str | None:
    """Where a Chromium stands on this machine, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def missing() -> list[str]:
    """What is missing, in sentences."""
    needed = {postgres.MISSING: postgres.is_available(), CHROMIUM: chromium(), SMTP_SINK: smtp_sink()}
    return [sentence for sentence, found in needed.items() if not found]


if __name__ == "__main__":
    for line in missing():
        print(line)  # noqa: T201
