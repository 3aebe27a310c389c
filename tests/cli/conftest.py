"""`flask` as people start it: in a fresh interpreter."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from newsletter import settings

Flask = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def flask(configured: settings.Settings) -> Flask:
    """Runs `flask` with these arguments, options of Python's own, standard input and further variables."""

    def run(
        *arguments: str, options: tuple[str, ...] = (), given: str = "", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        own = {"NEWSLETTER_DATABASE_URL": configured.database_url, "NEWSLETTER_INSTANCE": str(configured.instance)}
        return subprocess.run(
            [sys.executable, *options, "-m", "flask", "--app", "newsletter.factory", *arguments],
            cwd=settings.ROOT,
            env={**os.environ, **own, **variables},
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
