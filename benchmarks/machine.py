"""What the figures were measured on."""

import os
import platform
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import stores
from newsletter import settings


def description() -> dict[str, Any]:
    """Processor, memory, versions, and how busy the machine was when this was asked."""
    return {
        "processor": _first("model name", "/proc/cpuinfo") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{_system()}, Linux {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": _words([f"{stores.programs()}/postgres", "--version"]).rpartition(")")[2].strip()
        or _words([f"{stores.programs()}/postgres", "--version"]),
        "revision": _words(["git", "-C", str(settings.ROOT), "rev-parse", "--short", "HEAD"]),
        "load": load(),
    }


def load() -> float:
    """How many processes wanted a core in the last minute."""
    return round(os.getloadavg()[0], 2)


def line(described: dict[str, Any]) -> str:
    """The same in one line."""
    return (
        f"{described['cores']} cores of {described['processor']}, {described['memory_gb']} GB, {described['system']}, "
        f"Python {described['python']}, SQLite {described['sqlite']}, {described['postgresql']}; "
        f"load {described['load']} at the start"
    )


def _first(name: str, path: str) -> str:
    for each in Path(path).read_text().splitlines():
        if each.startswith(name):
            return each.partition(":")[2].strip()
    return ""


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _words(arguments: list[str]) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return done.stdout.strip()
