"""A process of one command imports what that one needs, and finds every command there is."""

import importlib
from pathlib import Path

import click
from flask.cli import AppGroup

from newsletter.cli import commands, sections
from tests.conftest import both_engines


@both_engines
def test_the_delivery_worker_imports_no_page_no_job_no_migration_and_no_driver_but_its_own(flask, database_url):
    done = flask("newsletter", "deliver", "--until-empty", options=("-X", "importtime"))
    assert done.returncode == 0
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "newsletter.outbox.worker" in found
    for ours in ("web", "scheduler", "demo", "privacy", "articles.polling", "articles.pictures", "issues.planning"):
        assert f"newsletter.{ours}" not in found
    for theirs in ("alembic", "apscheduler", "cryptography", "feedparser", "httpx2", "nh3", "PIL", "procrastinate"):
        assert theirs not in found
    assert ("psycopg" in found) is database_url.startswith("postgresql")


def test_flask_itself_sees_every_page(flask):
    done = flask("routes")
    assert done.returncode == 0
    assert "/admin/login" in done.stdout
    assert "/subscribe" in done.stdout


def test_each_command_lies_where_its_group_looks_for_it_and_none_is_forgotten():
    issue = _found(commands.newsletter, "issue")
    article = _found(commands.newsletter, "article")
    listed = set()
    for group in (commands.newsletter, issue, article):
        for name, its_commands in group.sections.items():
            made = AppGroup("made")
            importlib.import_module(f"newsletter.cli.{name}").register(made)
            assert set(made.commands) == set(its_commands)
            listed.add(name)
    files = {file.stem for file in Path(sections.__file__).parent.glob("*.py") if "def register(" in file.read_text()}
    assert listed == files


def _found(group: click.Group, name: str) -> sections.Sections:
    found = group.get_command(click.Context(group), name)
    assert isinstance(found, sections.Sections)
    return found
