"""What every test may ask for: an application on each database, a client, texts and topics to work with."""

import contextlib
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from newsletter import db, factory, schema, settings
from newsletter.publication import legal
from tests import postgres

ENGINES = ("sqlite", "postgresql")

# A busy machine is no reason to fail: what is tried here is never how long it takes.
hypothesis.settings.register_profile("newsletter", deadline=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("newsletter")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On the build machine nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _compiled_routes() -> Iterator[None]:
    """Every test has an application of its own, and compiling its routes is most of making it: 100 of 110 ms.

    The same rule is compiled once; what comes of it holds nothing of the application it was made for.
    """
    compile_, compiled = Rule.compile, dict[Any, dict[str, Any]]()
    parts, builders = ("_parts", "_trace", "_converters", "arguments"), ("_build", "_build_unknown")

    def remembered(rule: Rule) -> None:
        key = (rule.rule, repr(rule.defaults), rule.merge_slashes, rule.subdomain, rule.host)
        if key not in compiled:
            compile_(rule)
            compiled[key] = {name: getattr(rule, name) for name in parts}
            compiled[key] |= {name: getattr(rule, name).__func__ for name in builders}
        for name, value in compiled[key].items():
            setattr(rule, name, value.__get__(rule) if name in builders else value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "compile", remembered)
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_statements() -> Iterator[None]:
    """Every test has an engine of its own, and SQLAlchemy compiles each statement once an engine: a third of its work.

    Dialects of one kind compile alike, so engines of one kind share what was compiled.
    """
    shared: dict[type[Dialect], LRUCache[Any, Any]] = defaultdict(lambda: LRUCache(5000))

    def share(connection: Connection) -> None:
        connection.engine._compiled_cache = shared[type(connection.dialect)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DefaultDialect, "__eq__", lambda one, other: type(one) is type(other))
        patch.setattr(DefaultDialect, "__hash__", lambda dialect: hash(type(dialect)))
        event.listen(Engine, "engine_connect", share)
        yield
        event.remove(Engine, "engine_connect", share)


@pytest.fixture(scope="session")
def _templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A migrated database per engine, made once, of which each test gets a copy."""
    folder = tmp_path_factory.mktemp("templates")
    made: dict[str, str] = {}
    with _maybe_cluster() as server:

        def template(engine: str) -> str:
            if engine == "postgresql" and server is None:
                pytest.skip(postgres.MISSING)
            if engine not in made:
                made[engine] = (
                    f"sqlite:///{folder}/template.db" if engine == "sqlite" else _create_database(str(server))
                )
                schema.upgrade(made[engine])
            return made[engine]

        settings.use(settings.load({"NEWSLETTER_INSTANCE": str(folder)}))
        yield template


@pytest.fixture
def database_url(request: pytest.FixtureRequest, _templates: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """An empty migrated database of this test's own; parametrise indirectly with an engine's name, default sqlite."""
    engine = getattr(request, "param", "sqlite")
    template = _templates(engine)
    if engine == "sqlite":
        shutil.copy(template.removeprefix("sqlite:///"), tmp_path / "test.db")
        yield f"sqlite:///{tmp_path}/test.db"
    else:
        url = _create_database(template, like=sqlalchemy.make_url(template).database or "")
        yield url
        _drop_database(url)


both_engines = pytest.mark.parametrize("database_url", ENGINES, indirect=True)


@pytest.fixture
def configured(database_url: str, tmp_path: Path) -> settings.Settings:
    """Development settings on this test's database; override the fixture for others."""
    return settings.load(
        {
            "NEWSLETTER_INSTANCE": str(tmp_path / "instance"),
            "NEWSLETTER_DATABASE_URL": database_url,
            "NEWSLETTER_SECRET_KEY": "test-secret-key-of-enough-characters",
            "NEWSLETTER_SENDER": "The Magazine <news@magazine.example>",
            "NEWSLETTER_POSTAL_ADDRESS": "1 Example Street, Exampletown",
        }
    )


@pytest.fixture
def app(configured: settings.Settings) -> Iterator[Flask]:
    """The application; its engines are closed at the end."""
    application = factory.create_app(configured)
    application.testing = True
    yield application
    with application.app_context():
        for engine in db.extension.engines.values():
            engine.dispose()


@pytest.fixture
def room(app: Flask) -> Iterator[Flask]:
    """The application with a context pushed, for calling rooms directly. Commit before using `client`."""
    with app.app_context():
        yield app
        db.session.rollback()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def texts(room: Flask) -> None:
    """Published terms, privacy and consent sentence."""
    legal.publish_placeholders()
    db.session.commit()


def _create_database(server: str, like: str = "template1") -> str:
    name = f"newsletter_{uuid.uuid4().hex[:12]}"
    _on_server(server, f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
    return sqlalchemy.make_url(server).set(database=name).render_as_string(hide_password=False)


def _drop_database(url: str) -> None:
    _on_server(url, f'DROP DATABASE "{sqlalchemy.make_url(url).database}" WITH (FORCE)')


def _on_server(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(sqlalchemy.make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def _maybe_cluster() -> contextlib.AbstractContextManager[str | None]:
    return postgres.cluster() if postgres.is_available() else contextlib.nullcontext(None)
