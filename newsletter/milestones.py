"""Named points on a message's way, at which the tests of faults stop or kill the process; else nothing happens."""

from collections.abc import Callable


def _pass(_name: str) -> None:
    """What happens at a milestone outside those tests."""


hook: Callable[[str], None] = _pass


def reached(name: str) -> None:
    """Say that the point `name` was reached: intent.after_commit, body.half, plan.page ..."""
    hook(name)
