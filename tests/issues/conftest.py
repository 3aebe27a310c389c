"""The clock of an issue's tests: noon on a Monday, moved by hand."""

import pytest
import time_machine

from tests.issues import world


@pytest.fixture
def time():
    """The machine's time, standing still: time.move_to(...) or time.shift(...)."""
    with time_machine.travel(world.NOON, tick=False) as traveller:
        yield traveller
