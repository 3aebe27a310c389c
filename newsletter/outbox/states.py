"""The moves that messages and runs may make: everything else is a mistake."""

from newsletter.outbox.models import MessageState as Message
from newsletter.outbox.models import RunState as Run

MESSAGE_MOVES: dict[Message, frozenset[Message]] = {
    Message.QUEUED: frozenset({Message.CLAIMED, Message.CANCELLED, Message.SKIPPED, Message.EXPIRED}),
    # Before the body nothing is at risk: back to the queue when released, its worker died, or the server never agreed.
    Message.CLAIMED: frozenset(
        {
            Message.SENDING,
            Message.QUEUED,
            Message.DEFERRED,
            Message.BOUNCED,
            Message.CANCELLED,
            Message.SKIPPED,
            Message.EXPIRED,
        }
    ),
    # Back to the queue only when provably not sent, or under the retry policy.
    Message.SENDING: frozenset(
        {Message.SENT, Message.DEFERRED, Message.BOUNCED, Message.UNCERTAIN, Message.QUEUED, Message.SKIPPED}
    ),
    Message.DEFERRED: frozenset({Message.QUEUED, Message.CANCELLED, Message.SKIPPED, Message.EXPIRED}),
    # By evidence or by an editor, never by the engine.
    Message.UNCERTAIN: frozenset({Message.SENT, Message.BOUNCED, Message.QUEUED}),
    Message.SENT: frozenset(),
    # By an editor: nobody has what was refused or given up.
    Message.BOUNCED: frozenset({Message.QUEUED}),
    Message.EXPIRED: frozenset({Message.QUEUED}),
    Message.SKIPPED: frozenset(),
    Message.CANCELLED: frozenset(),
}

RUN_MOVES: dict[Run, frozenset[Run]] = {
    Run.PLANNING: frozenset({Run.RUNNING, Run.CANCELLED}),
    Run.RUNNING: frozenset({Run.PAUSED, Run.CANCELLED, Run.FINISHED}),
    Run.PAUSED: frozenset({Run.RUNNING, Run.CANCELLED}),
    Run.CANCELLED: frozenset(),
    # An editor sends again what was uncertain, or failed.
    Run.FINISHED: frozenset({Run.RUNNING}),
}

# A run with a message in one of these is not finished.
OPEN = frozenset({Message.QUEUED, Message.CLAIMED, Message.SENDING, Message.DEFERRED})


def origins(target: Run) -> list[Run]:
    """The states a run may come from to reach `target`."""
    return [state for state, targets in RUN_MOVES.items() if target in targets]
