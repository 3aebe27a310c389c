"""The memory of a process, kept together."""

import contextlib
import ctypes

_ARENAS_MOST = -8  # M_ARENA_MAX of mallopt(3)


def share() -> None:
    """Have all threads to come take memory from one place: what one gives back, another uses.

    glibc keeps an arena for each thread, up to eight times the cores, and in each what the thread freed: 50 issues
    composed in 16 threads took a process from 130 to 162 MB, with one arena to 138. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENAS_MOST, 1)
