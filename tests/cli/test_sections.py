"""A process of one command imports what that one needs, and finds every command there is."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
from flask.cli import AppGroup

from newsletter import settings
from newsletter.cli import commands, sections
from tests.conftest import both_engines


def _flask(chosen: settings.Settings, *arguments: str, options: tuple[str, ...] = ()) -> tuple[str, str]:
    """What `flask` says in a fresh interpreter, on standard output and on standard error."""
    done = subprocess.run(
        [sys.executable, *options, "-m", "flask", "--app", "newsletter.factory", *arguments],
        cwd=settings.ROOT,
        env={**os.environ, "NEWSLETTER_DATABASE_URL": chosen.database_url, "NEWSLETTER_INSTANCE": str(chosen.instance)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, done.stderr


def _imported(chosen: settings.Settings, *arguments: str) -> set[str]:
    _, told = _flask(chosen, "newsletter", *arguments, options=("-X", "importtime"))
    return {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}


@both_engines
def test_the_delivery_worker_imports_no_page_no_job_no_migration_and_no_driver_but_its_own(configured, database_url):
    found = _imported(configured, "deliver", "--until-empty")
    assert "newsletter.outbox.worker" in found
    for ours in ("web", "scheduler", "demo", "privacy", "articles.polling", "articles.pictures", "issues.planning"):
        assert f"newsletter.{ours}" not in found
    for theirs in ("alembic", "apscheduler", "cryptography", "feedparser", "httpx2", "nh3", "PIL", "procrastinate"):
        assert theirs not in found
    assert ("psycopg" in found) is database_url.startswith("postgresql")


def test_flask_itself_sees_every_page(configured):
    pages, _ = _flask(configured, "routes")
    assert "/admin/login" in pages
    assert "/subscribe" in pages


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
