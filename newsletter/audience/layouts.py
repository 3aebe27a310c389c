"""Whose export a file of readers is, told by its columns, and what its rows mean in ours.

Only what was written down there is proof: a date and a place of agreeing are kept, everybody else is asked again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from newsletter import errors

COLUMNS = ("email", "newsletters", "topics", "status", "consent_at", "consent_source", "language", "timezone")
_LEFT = "This reader had left there."
_TRUE, _FALSE = {"true", "1", "yes", "t"}, {"false", "0", "no", "f"}

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Layout:
    """One kind of file: the columns it is known by, and how a row reads in our own columns.

    `translated` raises BadInput for a row that must not be taken.
    """

    name: str
    marks: frozenset[str]
    translated: Callable[[Cells], Cells]


def of(names: Sequence[str]) -> Layout:
    """The layout of a file with these columns; raises BadInput when it is none we know."""
    present = set(names)
    for layout in FOREIGN:
        if layout.marks <= present:
            return layout
    known = ", ".join(COLUMNS)
    if "email" not in present:
        raise errors.BadInput(f"The first line must name the columns; one must be email. Known: {known}.")
    if unknown := [name for name in names if name not in COLUMNS]:
        raise errors.BadInput(f"There is no column {unknown[0][:60]!r}. Known: {known}.")
    return OWN


def _own(cells: Cells) -> Cells:
    return cells


def _exported(cells: Cells) -> Cells:
    """A row of our own export, of this installation or another."""
    state = cells.get("state", "")
    if state not in ("confirmed", "paused", "pending"):
        raise errors.BadInput(f"This reader was {state or 'without a state'} there.")
    return {**cells, "status": "pending" if state == "pending" else "confirmed"}


def _mailchimp(cells: Cells) -> Cells:
    if cells.get("unsub_time"):
        raise errors.BadInput(_LEFT)
    if cells.get("clean_time"):
        raise errors.BadInput("Mail to this address came back there.")
    # Who was imported there has no time of opting in, and a time of confirming all the same.
    opted, confirmed = cells.get("optin_time", ""), cells.get("confirm_time", "")
    proved = {}
    if opted and confirmed:
        source = f"Mailchimp: opted in {opted} UTC from {cells.get('optin_ip') or 'an unknown address'}"
        if cells.get("confirm_ip"):
            source += f", confirmed from {cells['confirm_ip']}"
        proved = {"status": "confirmed", "consent_at": f"{confirmed}+00:00", "consent_source": source}
    return {"email": cells.get("email address", ""), **proved}


def _substack(cells: Cells) -> Cells:
    if cells.get("email_disabled", "").lower() in _TRUE:
        raise errors.BadInput("This reader had switched mail off there.")
    return {"email": cells.get("email", "")}


def _listmonk(cells: Cells) -> Cells:
    if cells.get("status", "").lower() in ("blocklisted", "disabled"):
        raise errors.BadInput(f"This reader was {cells['status'].lower()} there.")
    return {"email": cells.get("email", "")}


def _ghost(cells: Cells) -> Cells:
    if cells.get("subscribed_to_emails", "").lower() in _FALSE or cells.get("deleted_at"):
        raise errors.BadInput(_LEFT)
    return {"email": cells.get("email", "")}


OWN = Layout("Newsletter", frozenset({"email"}), _own)
FOREIGN = (
    Layout("Newsletter export", frozenset({"email", "state", "subscriptions", "known_since"}), _exported),
    Layout("Mailchimp", frozenset({"email address", "optin_time", "confirm_time"}), _mailchimp),
    Layout("Substack", frozenset({"email", "active_subscription", "email_disabled"}), _substack),
    Layout("listmonk", frozenset({"uuid", "email", "attributes", "status"}), _listmonk),
    Layout("Ghost", frozenset({"email", "subscribed_to_emails", "stripe_customer_id"}), _ghost),
)
