"""How a command that runs until it is stopped hears of it."""

import signal
import threading
from types import FrameType


def signalled() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set: finish what is in flight, then end."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
