"""The heap of a process."""

import subprocess
import sys

_THREADS = """
import ctypes, sys, threading
from newsletter import heap
if sys.argv[1] == "shared":
    heap.share()
together = threading.Barrier(8)
def fill():
    kept = [bytes(5000) for _ in range(100)]
    together.wait(10)
threads = [threading.Thread(target=fill) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def _arenas(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", _THREADS, how], capture_output=True, text=True, check=True)
    return ran.stdout.count("<heap nr=")


def test_all_threads_take_memory_from_one_place():
    assert _arenas("each its own") > 1
    assert _arenas("shared") == 1
