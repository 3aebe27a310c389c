"""A private PostgreSQL cluster from Debian's binaries, or the server NEWSLETTER_TEST_DATABASE_URL names."""

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator

MISSING = "PostgreSQL is missing: its tests are skipped: apt-get install postgresql"


def binaries() -> str | None:
    """The folder that holds initdb and postgres, or None."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    return folders[0] if folders else None


def is_available() -> bool:
    """Whether `cluster` can give a server."""
    return binaries() is not None or "NEWSLETTER_TEST_DATABASE_URL" in os.environ


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """A running server's URL, for databases of our own making on it."""
    if url := os.environ.get("NEWSLETTER_TEST_DATABASE_URL"):
        yield url
        return
    folder = tempfile.mkdtemp(prefix="newsletter-pg-")
    server = _start(folder)
    try:
        yield f"postgresql+psycopg://postgres@127.0.0.1:{server[1]}/postgres"
    finally:
        server[0].terminate()
        server[0].wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: str) -> tuple["subprocess.Popen[bytes]", int]:
    programs, port = binaries(), _free_port()
    # The server refuses to run as root; Debian's package brings the user for it.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    data = f"{folder}/data"
    subprocess.run(
        [f"{programs}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
        check=True,
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
    )
    server = subprocess.Popen(
        [
            f"{programs}/postgres",
            "-D",
            data,
            "-p",
            str(port),
            "-k",
            folder,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
            "-c",
            "max_connections=60",
        ],
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        ready = subprocess.run(
            [f"{programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"], check=False
        )
        if ready.returncode == 0:
            return server, port
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.05)
    raise RuntimeError("PostgreSQL did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
