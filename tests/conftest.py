"""What every test may ask for: an application on each database, a client, texts and topics to work with."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy
from flask import Flask
from flask.testing import FlaskClient
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
    """Every test has an application of its own, and compiling its routes is most of making it: 85 of 110 ms.

    The same rule is compiled once; its converters hold nothing of the application they were made for.
    """
    compile_builder, compiled = Rule._compile_builder, dict[Any, Any]()

    def remembered(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, repr(rule.defaults), repr(rule._trace), repr(rule._converters.keys()), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", remembered)
        yield


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
