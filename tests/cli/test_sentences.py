"""What goes wrong at the command line is said in one sentence, and a pipe is as good as a file."""

import os
import subprocess
import sys

import pytest

from newsletter import settings


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["check"], {"NEWSLETTER_CONNECTIONS": "many"}, "NEWSLETTER_CONNECTIONS must be a whole number, not 'many'."),
        (["audit", "--csv", "/proc/audit.csv"], {}, "/proc/audit.csv cannot be used: No such file or directory."),
    ],
)
def test_a_wrong_setting_and_a_file_that_cannot_be_written_are_said_in_a_sentence(
    room, configured, arguments, variables, said
):
    done = _newsletter(configured, *arguments, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"Error: {said}\n")


def test_readers_are_imported_through_a_pipe(room, configured):
    sheet = "email,newsletters,topics,status,consent_at,consent_source\nana@readers.example,nowhere,,,,\n"
    done = _newsletter(configured, "subscriber", "import", "/dev/stdin", given=sheet)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 refused" in done.stdout
    assert "line 2" in done.stdout


def _newsletter(
    chosen: settings.Settings, *arguments: str, given: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    own = {"NEWSLETTER_DATABASE_URL": chosen.database_url, "NEWSLETTER_INSTANCE": str(chosen.instance)}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "newsletter.factory", "newsletter", *arguments],
        cwd=settings.ROOT,
        env={**os.environ, **own, **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
