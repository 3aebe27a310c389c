"""What tests of faults may ask for: the listening runner, and installations ready to be broken."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from newsletter import settings
from tests.conftest import _create_database
from tests.faults import stage, truth
from tests.faults.stage import Stage

Staged = Callable[..., AbstractContextManager[Stage]]
Tell = Callable[[str, truth.Figures], None]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of what was done and what came of it."""
    told = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "faults"
    ]
    if told:
        terminalreporter.section("faults")
        for line in sorted(told):
            terminalreporter.write_line(line)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Put a line into the table at the end of the run."""
    return lambda what, figures: record_property("faults", f"{what:<60} {figures}")


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the runner listens that forks the processes of all tests."""
    address = tmp_path_factory.mktemp("runner") / "socket"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.runner", "--listen", str(address)],
        cwd=settings.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield address
    process.stdin.close()
    process.stdout.close()
    process.wait(10)


@pytest.fixture(scope="session")
def prepared(
    runner: Path, _templates: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Stage]:
    """Installations made once each: by engine, number of readers, and state of the issue."""
    made: dict[tuple[str, int, str], Stage] = {}

    def original(engine: str, readers: int, state: str) -> Stage:
        key = (engine, readers, state)
        if key not in made:
            folder = tmp_path_factory.mktemp("-".join(map(str, key)))
            server = _templates(engine)
            url = f"sqlite:///{folder}/newsletter.db" if engine == "sqlite" else _create_database(server)
            made[key] = Stage(folder, runner, url).prepare(readers, state=state)
        return made[key]

    return original


@pytest.fixture
def installation(prepared: Callable[..., Stage], tmp_path: Path) -> Staged:
    """`with installation("postgresql", readers=12) as stage`: a copy of a prepared one, its issue released."""

    def one(
        engine: str, *, readers: int = 12, state: str = "released", name: str = "stage"
    ) -> AbstractContextManager[Stage]:
        return stage.copy_of(prepared(engine, readers, state), tmp_path / name)

    return one
