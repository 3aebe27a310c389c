"""Commands that only read."""

import pytest
from flask import Flask
from sqlalchemy import text

from newsletter import db

_COMMANDS = ["topic list", "newsletter list", "feed list", "issue list", "uncertain list", "check"]


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_command_that_only_reads_waits_for_nobody_who_writes(app: Flask, command: str) -> None:
    with app.app_context():
        engine = db.make_engine()
    with engine.connect() as writer, writer.begin():
        writer.execute(text("INSERT INTO topic (slug, name, position) VALUES ('held', 'Held', 1)"))
        ran = app.test_cli_runner().invoke(args=["newsletter", *command.split(), "--json"])
        assert ran.exit_code == 0, ran.output
        assert "held" not in ran.output
        writer.rollback()
    engine.dispose()
