"""What each role may do: the one table of permissions."""

import enum
from collections.abc import Mapping

from newsletter.staff.models import Role


class Action(enum.StrEnum):
    """Something a door asks permission for."""

    LOOK = "look"
    """See articles, feeds, newsletters, issues and figures."""
    EDIT = "edit"
    """Compose an issue and change its stories and words; bring in an article."""
    PUBLISH = "publish"
    """Approve, schedule, send, pause and cancel an issue; withdraw an article."""
    READERS = "readers"
    """See who reads and what they agreed to."""
    PLAN = "plan"
    """Change feeds and newsletters."""
    AUDIT = "audit"
    """See who changed what, and take it along as a table."""
    STAFF = "staff"
    """Invite editors, give them a role, let them go."""


_WRITER = frozenset({Action.LOOK, Action.EDIT})
_EDITOR = _WRITER | {Action.PUBLISH, Action.READERS}
_PUBLISHER = _EDITOR | {Action.PLAN, Action.AUDIT}
_ADMIN = _PUBLISHER | {Action.STAFF}

PERMISSIONS: Mapping[Role, frozenset[Action]] = {
    Role.WRITER: _WRITER,
    Role.EDITOR: _EDITOR,
    Role.PUBLISHER: _PUBLISHER,
    Role.ADMIN: _ADMIN,
}


def allows(role: Role, action: Action) -> bool:
    """Whether an editor of this role may do this."""
    return action in PERMISSIONS[role]
