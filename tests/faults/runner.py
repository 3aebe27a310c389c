"""Runs `flask newsletter ...` in a process of its own that kills or stops itself at a milestone, if told to.

    python -m tests.faults.runner --kill intent.after_commit:3 -- deliver --until-empty

With --listen it waits at a Unix socket and forks a process for each request, so that a thousand runs do not import
everything a thousand times: what runs in the fork is the ordinary command line.
"""

import argparse
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from newsletter import milestones


class Hook:
    """Counts milestones, and ends or stops this process at the `nth` reach of `point`, having said so in `told`."""

    def __init__(self, *, told: Path, point: str = "", nth: int = 0, number: int = signal.SIGKILL) -> None:
        self._told, self._point, self._nth, self._signal = told, point, nth, number
        self._lock = threading.Lock()
        self._reached: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        with self._lock:
            self._reached[name] += 1
            # One line a reach: also a process that dies has said how far it came.
            with self._told.open("a") as file:
                file.write(f"{name}\n")
            if name == self._point and self._reached[name] == self._nth:
                os.kill(os.getpid(), self._signal)


def run(arguments: list[str], *, told: Path | None, kill: str, stop: str) -> None:
    """One command, in this process; does not return.

    With FAULTS_SEND_BUFFER bytes in the environment a body leaves in pieces of about that size, as over a slow line.
    """
    if told is not None:
        point, _, nth = (kill or stop).partition(":")
        number = signal.SIGSTOP if stop else signal.SIGKILL
        milestones.hook = Hook(told=told, point=point, nth=int(nth or 1), number=number)
    from flask.cli import FlaskGroup, ScriptInfo  # noqa: PLC0415 - after the environment was set

    from newsletter import factory  # noqa: PLC0415
    from newsletter.outbox import courier  # noqa: PLC0415

    courier._SEND_BUFFER = int(os.environ.get("FAULTS_SEND_BUFFER", courier._SEND_BUFFER))
    group = FlaskGroup(create_app=factory.create_app, set_debug_flag=False)
    group.main(["newsletter", *arguments], prog_name="flask", obj=ScriptInfo(create_app=factory.create_app))


def listen(address: str) -> None:
    """Fork for each request: a JSON object with what `Stage.start` says."""
    # Once, for all forks.
    from sqlalchemy import orm  # noqa: PLC0415

    from newsletter import factory, supervisor  # noqa: F401, PLC0415
    from newsletter.cli import delivery, issues, setup, timekeeping  # noqa: F401, PLC0415
    from newsletter.outbox import postgresql_rounds  # noqa: F401, PLC0415

    orm.configure_mappers()
    gc.freeze()

    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201
    while server in select.select([server, sys.stdin], [], [])[0]:
        connection, _ = server.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            server.close()
            _attend(connection)
            return
        connection.close()


def _attend(connection: socket.socket) -> None:
    """Start the command, say its process id, wait for it, say how it ended."""
    with connection, connection.makefile("rw") as line:
        request: dict[str, Any] = json.loads(line.readline())
        child = os.fork()
        if child == 0:
            _become(request)
        line.write(f"{child}\n")
        line.flush()
        _, status = os.waitpid(child, 0)
        line.write(f"{os.waitstatus_to_exitcode(status)}\n")


def _become(request: dict[str, Any]) -> None:
    for descriptor, name in ((0, os.devnull), (1, request["output"]), (2, request["errors"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    while (barrier := request["barrier"]) and not os.path.exists(barrier):
        time.sleep(0.001)
    run(request["arguments"], told=Path(request["told"]), kill=request["kill"], stop=request["stop"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", help="a path for the Unix socket")
    parser.add_argument("--kill", default="", help="POINT:K, the K-th reach of the point is the end")
    parser.add_argument("--stop", default="", help="POINT:K, the K-th reach of the point stops the process (SIGSTOP)")
    parser.add_argument("--told", type=Path, help="a file that gets a line for each milestone reached")
    parser.add_argument("arguments", nargs="*")
    chosen = parser.parse_args()
    if chosen.listen:
        listen(chosen.listen)
        return
    told = chosen.told or (Path(os.devnull) if chosen.kill or chosen.stop else None)
    run(chosen.arguments, told=told, kill=chosen.kill, stop=chosen.stop)


if __name__ == "__main__":
    main()
