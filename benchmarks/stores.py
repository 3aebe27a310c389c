"""Databases to measure on: SQLite files and a private PostgreSQL, both of which really write to the disk.

What takes long to load is kept as a template in FOLDER and copied for each run. A template is named for what it was
made by, so that a change of the schema or of the program makes a new one.
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks import processes
from newsletter import settings

FOLDER = Path(os.environ.get("BENCHMARKS_FOLDER", Path(tempfile.gettempdir()) / "newsletter-benchmarks"))
ENGINES = ("sqlite", "postgresql")

# Durable as in production; only the amount of memory and of connections is chosen.
_CONFIGURATION = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
}

Build = Callable[[str], None]


@dataclass(frozen=True)
class Store:
    """One engine, ready to give databases. `pid` is the server's, 0 for SQLite."""

    engine: str
    port: int = 0
    pid: int = 0

    @contextlib.contextmanager
    def copy(self, template: str, build: Build) -> Iterator[str]:
        """The URL of a fresh copy of a template, built first if there is none; the copy is removed at the end."""
        self.prepare(template, build)
        name = f"{template}_{os.getpid()}_{time.monotonic_ns() % 1_000_000}"
        if self.engine == "sqlite":
            path = FOLDER / f"{name}.db"
            shutil.copyfile(FOLDER / f"{template}.db", path)
            _write_back(path)
            try:
                yield f"sqlite:///{path}"
            finally:
                for each in FOLDER.glob(f"{name}.db*"):
                    each.unlink()
            return
        self._copy(template, name)
        try:
            yield self._url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def prepare(self, template: str, build: Build) -> None:
        """Make the template if there is none: `build` fills the empty database whose URL it is given."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        if self.engine == "sqlite":
            path, unfinished = FOLDER / f"{template}.db", FOLDER / f"{template}.unfinished.db"
            if not path.exists():
                for each in FOLDER.glob(f"{template}.unfinished.db*"):
                    each.unlink()
                build(f"sqlite:///{unfinished}")
                _settle_sqlite(unfinished)
                unfinished.rename(path)
        elif not self._has(template):
            unfinished_name = f"{template}_unfinished"
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(unfinished_name)))
            self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished_name)))
            build(self._url(unfinished_name))
            self._run("VACUUM (ANALYZE)", unfinished_name)
            names = sql.Identifier(unfinished_name), sql.Identifier(template)
            self._run(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))

    def has(self, template: str) -> bool:
        """Whether there is such a template."""
        return (FOLDER / f"{template}.db").exists() if self.engine == "sqlite" else self._has(template)

    def copy_into(self, template: str, source: str, build: Build) -> None:
        """Make a template from another one by `build`."""

        def from_source(url: str) -> None:
            if self.engine == "sqlite":
                shutil.copyfile(FOLDER / f"{source}.db", url.removeprefix("sqlite:///"))
            else:
                name = url.rpartition("/")[2]
                self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
                self._copy(source, name)
            build(url)

        self.prepare(template, from_source)

    def processor_seconds(self) -> float:
        """What the server and its backends have used so far; 0 for SQLite, which runs inside its callers."""
        return sum(processes.used(pid) for pid in _family(self.pid)) if self.pid else 0.0

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def _copy(self, source: str, name: str) -> None:
        names = sql.Identifier(name), sql.Identifier(source)
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(*names))
        self._run("CHECKPOINT")

    def _has(self, name: str) -> bool:
        with self._connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return found is not None

    def _run(self, statement: "str | sql.Composed", name: str = "postgres") -> None:
        with self._connect(name) as connection:
            connection.execute(statement)

    def _connect(self, name: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname={name}", autocommit=True)


@contextlib.contextmanager
def opened(engine: str) -> Iterator[Store]:
    """A store of the engine; PostgreSQL's server runs until the last of the benchmarks that use it is over."""
    if engine == "sqlite":
        yield Store("sqlite")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = FOLDER / "postgresql"
    with (FOLDER / "postgresql.lock").open("w") as starting, (FOLDER / "postgresql.users").open("w") as users:
        fcntl.flock(starting, fcntl.LOCK_EX)
        port, pid = _running(folder) or _start(folder)
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield Store("postgresql", port, pid)
        finally:
            fcntl.flock(starting, fcntl.LOCK_EX)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop(pid)


@contextlib.contextmanager
def all_opened(engines: tuple[str, ...] = ENGINES) -> Iterator[list[Store]]:
    """A store of each engine."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(opened(engine)) for engine in engines]


def programs() -> str:
    """The folder of PostgreSQL's server programs."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    if not folders:
        raise SystemExit("PostgreSQL is missing: apt-get install postgresql")
    return folders[0]


def fingerprint(*parts: str) -> str:
    """A short name for what these files and folders of the repository hold now."""
    digest = hashlib.sha256()
    for part in parts:
        path = settings.ROOT / part
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() and each.suffix in (".py", ".html", ".txt", ".css", ".toml"):
                digest.update(each.read_bytes())
    return digest.hexdigest()[:8]


def _settle_sqlite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _write_back(path: Path) -> None:
    # Else the copy's own write-back competes with what is measured.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _running(folder: Path) -> tuple[int, int] | None:
    """Port and pid of the server of a folder, if one runs."""
    lines = (folder / "data" / "postmaster.pid").read_text().splitlines() if _has_pid_file(folder) else []
    if len(lines) < 4 or not Path(f"/proc/{lines[0]}").exists():
        return None
    return int(lines[3]), int(lines[0])


def _has_pid_file(folder: Path) -> bool:
    return (folder / "data" / "postmaster.pid").exists()


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGINT)  # "fast": whoever is still connected is cut off
    while Path(f"/proc/{pid}").exists():
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def _start(folder: Path) -> tuple[int, int]:
    """Port and pid of a server started for this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # The server refuses to run as root; Debian's package brings the user for it.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    data, port = folder / "data", _free_port()
    if not data.exists():
        made = [f"{programs()}/initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*made, "--locale=C.UTF-8"], check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)
    options = [part for name, value in _CONFIGURATION.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [f"{programs()}/postgres", "-D", str(data), "-p", str(port), "-k", str(folder), *options],
        user=user,
        cwd="/",
        stdin=subprocess.DEVNULL,
        process_group=0,  # it may outlive who started it
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres").close()
            return port, process.pid
        time.sleep(0.1)
    raise SystemExit("PostgreSQL did not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]
