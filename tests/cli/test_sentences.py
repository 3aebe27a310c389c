"""What goes wrong at the command line is said in one sentence, and a pipe is as good as a file."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["check"], {"NEWSLETTER_CONNECTIONS": "many"}, "NEWSLETTER_CONNECTIONS must be a whole number, not 'many'."),
        (["audit", "--csv", "/proc/audit.csv"], {}, "/proc/audit.csv cannot be used: No such file or directory."),
    ],
)
def test_a_wrong_setting_and_a_file_that_cannot_be_written_are_said_in_a_sentence(
    room, flask, arguments, variables, said
):
    done = flask("newsletter", *arguments, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"Error: {said}\n")


def test_readers_are_imported_through_a_pipe(room, flask):
    sheet = "email,newsletters,topics,status,consent_at,consent_source\nana@readers.example,nowhere,,,,\n"
    done = flask("newsletter", "subscriber", "import", "/dev/stdin", given=sheet)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 refused" in done.stdout
    assert "line 2" in done.stdout
