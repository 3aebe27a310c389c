"""A process killed at any named point, and started again: nothing lost, nothing doubled, nothing falsely said."""

import itertools
from collections import Counter
from typing import NamedTuple

import pytest

from tests.faults import stage, truth
from tests.faults.conftest import Staged
from tests.faults.stage import Stage
from tests.outbox.smtp_server import Server

READERS, CONNECTIONS = 12, 2

# By the command that passes them.
PLANNING = ("plan.begin", "plan.page", "plan.before_release", "plan.after_release")
DELIVERY = (
    "claim.after_commit",
    "smtp.after_mail",
    "smtp.after_rcpt",
    "smtp.after_354",
    "intent.after_commit",
    "body.half",
    "dot.before_reply",
    "reply.before_commit",
    "sent.after_commit",
    "finish.after_commit",
)
# There is no second time.
ONCE = {"plan.begin", "plan.before_release", "plan.after_release", "finish.after_commit"}


class Case(NamedTuple):
    point: str
    time: str  # first, second, last
    engine: str
    policy: str

    @property
    def command(self) -> tuple[str, ...]:
        return ("issue", "send", "1") if self.point in PLANNING else ("deliver", "--until-empty")

    @property
    def before(self) -> str:
        """How far the issue is when the process starts that is to die."""
        return "approved" if self.point in PLANNING else "released"

    @property
    def pipelines(self) -> bool:
        """Whether the server offers PIPELINING: in half of the cases."""
        return sum(map(len, self)) % 2 == 0

    @property
    def buffer(self) -> int:
        """A body is only ever half sent over a line that takes it in pieces."""
        return 2048 if self.point == "body.half" else 0

    @property
    def line(self) -> dict[str, str]:
        return {"FAULTS_SEND_BUFFER": "4096"} if self.buffer else {}

    def __str__(self) -> str:
        return " ".join(self)


MATRIX = [
    case
    for case in itertools.starmap(
        Case,
        itertools.product(
            (*PLANNING, *DELIVERY), ("first", "second", "last"), ("sqlite", "postgresql"), (truth.HOLD, truth.RETRY)
        ),
    )
    if case.point not in ONCE or case.time == "first"
]
# What the fast suite tries: every point at which something is at risk, either engine, either policy.
SLICE = [
    Case("plan.page", "second", "sqlite", truth.HOLD),
    Case("plan.page", "last", "postgresql", truth.HOLD),
    Case("plan.before_release", "first", "sqlite", truth.HOLD),
    Case("claim.after_commit", "second", "postgresql", truth.HOLD),
    Case("smtp.after_354", "first", "sqlite", truth.HOLD),
    Case("intent.after_commit", "second", "sqlite", truth.HOLD),
    Case("intent.after_commit", "last", "postgresql", truth.RETRY),
    Case("body.half", "first", "postgresql", truth.HOLD),
    Case("dot.before_reply", "second", "sqlite", truth.RETRY),
    Case("reply.before_commit", "first", "sqlite", truth.HOLD),
    Case("reply.before_commit", "second", "postgresql", truth.RETRY),
    Case("sent.after_commit", "last", "sqlite", truth.HOLD),
]
REST = [case for case in MATRIX if case not in SLICE]


@pytest.mark.parametrize("case", SLICE, ids=str)
def test_killed_there_and_started_again(case, trial, tell):
    tell(str(case), trial.of(case))


@pytest.mark.slow
@pytest.mark.parametrize("case", REST, ids=str)
def test_killed_at_any_point_and_started_again(case, trial, tell):
    tell(str(case), trial.of(case))


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_scheduler_killed_between_two_steps_of_an_issue_due_now(engine, installation):
    """The occurrence was opened, and its issue is still to be composed, planned and released: once, in the end."""
    with installation(engine, readers=READERS, state="none") as broken, Server() as server:
        broken.post_to(server.port).appears_now()
        killed = broken.start("tick", kill="tick.after_occurrence:1")
        assert killed.wait().was_killed, f"tick.after_occurrence was never reached; tick passes {killed.reached()}"
        for _ in range(2):  # the second time nothing is left to do
            assert broken.flask("tick")["problems"] == []
        broken.deliver()
        assert broken.ask("SELECT count(*) FROM occurrence") == [(1,)]
        truth.assert_all(
            broken.database_url, server.accepted, crashes=0, connections=0, readers=stage.addresses(READERS)
        )
        broken.check()


@pytest.fixture(scope="module")
def undisturbed() -> dict[tuple[str, str, int], Counter[str]]:
    """How often a run in which nobody dies passes each point, by engine, command and line; counted once."""
    return {}


@pytest.fixture
def trial(installation, undisturbed):
    return Trial(installation, undisturbed)


class Trial:
    """One process killed, the same commands again, and the books compared."""

    def __init__(self, installation: Staged, undisturbed: dict[tuple[str, str, int], Counter[str]]) -> None:
        self._installation, self._undisturbed = installation, undisturbed

    def of(self, case: Case) -> truth.Figures:
        nth = {"first": 1, "second": 2}.get(case.time) or self._often(case)
        # How many rounds there are depends on who is faster: the last may come earlier than it did undisturbed.
        for tried in range(5):
            with (
                self._installation(case.engine, readers=READERS, state=case.before, name=f"try{tried}") as broken,
                Server(pipelining=case.pipelines, receive_buffer=case.buffer) as server,
            ):
                broken.post_to(server.port).set(connections=CONNECTIONS)
                broken.environment |= case.line
                passed = _kill(broken, case, nth)
                if passed is None:
                    _complete(broken, case.policy)
                    return _judge(broken, server, case)
            assert passed, f"{case.point} was never reached"
            assert case.time == "last", f"{case.point} was reached {passed} times, never a {case.time} time"
            nth = passed
        raise AssertionError(f"{case.point} was not reached {nth} times again")

    def _often(self, case: Case) -> int:
        reached = self._counted(case)[case.point]
        assert reached, f"{case.point} was never reached; {' '.join(case.command)} passes {dict(self._counted(case))}"
        return reached

    def _counted(self, case: Case) -> Counter[str]:
        key = (case.engine, case.command[0], case.buffer)
        if key not in self._undisturbed:
            with (
                self._installation(case.engine, readers=READERS, state="approved", name="undisturbed") as whole,
                Server(receive_buffer=case.buffer) as server,
            ):
                whole.post_to(server.port).set(connections=CONNECTIONS)
                whole.environment |= case.line
                for command in (("issue", "send", "1"), ("deliver", "--until-empty")):
                    process = whole.start(*command)
                    assert process.wait().code == 0
                    self._undisturbed[case.engine, command[0], case.buffer] = process.reached()
        return self._undisturbed[key]


def _kill(broken: Stage, case: Case, nth: int) -> int | None:
    """Let a process die there; None when it did, else how often it passed the point."""
    broken.follow(case.policy)
    process = broken.start(*case.command, kill=f"{case.point}:{nth}")
    ended = process.wait()
    passed = process.reached()[case.point]
    if ended.was_killed:
        assert passed == nth
        return None
    assert ended.code == 0, ended.errors
    return passed


def _complete(broken: Stage, policy: str) -> None:
    """What an operator or a supervisor does: the same commands again."""
    if broken.ask("SELECT id FROM issue WHERE state <> 'released'"):
        assert not broken.ask("SELECT id FROM message WHERE state IN ('claimed', 'sending', 'sent', 'uncertain')")
        broken.flask("issue", "send", "1")
    broken.follow(policy)
    broken.deliver()


def _judge(broken: Stage, server: Server, case: Case) -> truth.Figures:
    figures = truth.assert_all(
        broken.database_url,
        server.accepted,
        crashes=1,
        connections=CONNECTIONS,
        policy=case.policy,
        readers=stage.addresses(READERS),
    )
    if case.point in PLANNING:
        assert (figures.sent, figures.uncertain, figures.copies) == (READERS, 0, 0)
    if case.policy == truth.RETRY:
        assert (figures.sent, figures.uncertain) == (READERS, 0)
    assert server.complaints == []
    broken.check()
    return figures
