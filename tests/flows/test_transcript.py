"""The transcript of commands that outside scripts rely on, run as written."""

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from newsletter import schema, settings
from tests.conftest import both_engines
from tests.flows import parts

pytestmark = both_engines

READERS = """email,newsletters,topics,status,consent_at,consent_source,language,timezone
ann@example.com,daily,music;fashion,confirmed,2026-01-05T10:00:00+01:00,old system,en,Europe/Berlin
ben@example.com,daily,music,confirmed,2026-01-05T10:00:00+01:00,old system,,
cleo@example.com,daily,fashion,confirmed,2026-01-05T10:00:00+01:00,old system,,
dora@example.com,daily,music,confirmed,,,,
not an address,daily,music,confirmed,2026-01-05T10:00:00+01:00,old system,,
emil@example.com,daily,opera,confirmed,2026-01-05T10:00:00+01:00,old system,,
"""


@pytest.fixture
def flask(app):
    """Runs one command: its JSON answer, or with `fails` its one sentence."""
    runner = app.test_cli_runner()

    def run(*arguments, fails=False):
        done = runner.invoke(args=["newsletter", *arguments, "--json"])
        assert not isinstance(done.exception, Exception) or isinstance(done.exception, SystemExit), done.exception
        if fails:
            assert done.exit_code == 1
            assert done.stderr.count("\n") == 1, done.stderr
            return done.stderr
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run


def _prepare(flask, tmp_path):
    flask("init")
    for slug, name in (("music", "Music"), ("fashion", "Fashion"), ("tech", "Tech & Gadgets")):
        flask("topic", "add", slug, name)
    flask(
        *("newsletter", "add", "daily", "--title", "The Daily", "--topic", "music", "--topic", "fashion"),
        *("--days", "mon,tue,wed,thu,fri,sat,sun", "--at", "07:00", "--zone", "Europe/Berlin"),
    )
    (tmp_path / "readers.csv").write_text(READERS)
    imported = flask("subscriber", "import", str(tmp_path / "readers.csv"))
    assert (imported["new"], imported["to_reconfirm"]) == (4, 1)
    assert [refused["line"] for refused in imported["refused"]] == [6, 7]


def test_the_transcript_works_as_written(flask, tmp_path, configured):
    assert flask("init")["migrated"] is False
    _prepare(flask, tmp_path)
    with parts.feed_server(parts.rss("A quiet record", "Two songs")) as feed:
        flask(
            "feed", "add", f"http://127.0.0.1:{feed.server_port}/feed.xml", "--topic", "music", "--map", "Hats=fashion"
        )
        assert flask("feed", "fetch", "--all")["new"] == 2
    (tmp_path / "articles.xml").write_text(parts.rss("A coat").replace("magazine.example/", "magazine.example/coat-"))
    assert flask("article", "import", str(tmp_path / "articles.xml"), "--topic", "fashion")["new"] == 1
    proof = flask("subscriber", "proof", "ann@example.com")
    assert (proof["state"], len(proof["subscriptions"]), len(proof["records"])) == ("confirmed", 2, 1)

    composed = flask("issue", "compose", "daily")
    assert {name: composed[name] for name in ("state", "articles", "editions", "readers")} == {
        "state": "draft",
        "articles": 3,
        "editions": 3,
        "readers": 3,
    }
    issue = str(composed["issue"])
    assert flask("issue", "approve", issue)["state"] == "approved"
    assert flask("issue", "send", issue)["planned"] == 3
    assert flask("issue", "pause", issue)["state"] == "paused"
    assert flask("deliver", "--until-empty")["sent"] == 0
    assert flask("issue", "resume", issue)["state"] == "sending"
    assert flask("deliver", "--until-empty")["sent"] == 3
    status = flask("issue", "status", issue)
    assert (status["state"], status["sent"], status["deferred"], status["uncertain"]) == ("sent", 3, 0, 0)
    assert flask("uncertain", "list") == {"uncertain": []}
    assert flask("check")["broken"] == []
    assert "/admin/setup/" in flask("editor", "add", "ed@magazine.example", "--role", "admin")["link"]
    _check_letters(configured)


def _check_letters(configured):
    letters = [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in Path(configured.mail_folder).rglob("*.eml")
    ]
    subjects = {letter["To"]: letter["Subject"] for letter in letters}
    assert set(subjects) == {"ann@example.com", "ben@example.com", "cleo@example.com"}
    assert subjects["cleo@example.com"] == "A coat"
    assert all(letter["Message-ID"] for letter in letters)


def test_what_a_command_cannot_do_it_says_in_one_sentence_and_changes_nothing(flask, tmp_path):
    _prepare(flask, tmp_path)
    soon = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT07:00")
    for arguments, sentence in (
        (("newsletter", "add", "x", "--title", "X", "--topic", "opera"), "There is no topic 'opera'"),
        (("newsletter", "add", "X Y", "--title", "X", "--topic", "music"), "must be lower-case"),
        (("issue", "compose", "weekly"), "There is no newsletter 'weekly'"),
        (("issue", "approve", "99"), "There is no issue 99"),
        (("issue", "send", "1", "--at", soon), "There is no issue 1"),
        (("subscriber", "proof", "nobody@example.com"), "Nothing is known"),
        (("feed", "add", "ftp://magazine.example/feed"), "http"),
        (("feed", "fetch"), "--all"),
        (("editor", "add", "not an address"), "address"),
    ):
        assert sentence in flask(*arguments, fails=True)
    assert flask("check")["broken"] == []


def test_a_database_that_is_not_ready_says_what_to_run(flask, configured, tmp_path):
    settings.use(configured)
    flask("init")
    schema.downgrade()
    assert "flask newsletter init" in flask("topic", "list", fails=True)
