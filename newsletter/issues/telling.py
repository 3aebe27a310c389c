"""What editors are told of an issue, by mail and on Today: that it waits for them, or is held."""

from newsletter import settings
from newsletter.issues import moments
from newsletter.issues.models import Issue
from newsletter.staff import notices
from newsletter.staff.models import Notice
from newsletter.staff.roles import Action


def opened(issue: Issue) -> None:
    """Tell who may approve that a draft waits for it, once for each time it is to go."""
    number = len(issue.stories)
    counted = "No stories yet" if not number else "1 story" if number == 1 else f"{number} stories"
    _tell(
        issue,
        f"opened:{issue.id}:{_key(issue)}",
        f"{_name(issue)} waits for approval",
        f"{counted}, to go {_time(issue)}. {_deadline(issue)}",
        who_may=Action.PUBLISH,
    )


def due_soon(issue: Issue) -> list[Notice]:
    """Tell who may approve that the time for it runs out; whom it was told."""
    return _tell(
        issue,
        f"deadline:{issue.id}:{_key(issue)}",
        f"{_name(issue)} still waits for approval",
        f"It is to go {_time(issue)}. {_unapproved(issue)}",
        who_may=Action.PUBLISH,
    )


def half_approved(issue: Issue, *, by: str, editor_id: int | None) -> None:
    """Tell the others who may approve that the first of two has."""
    when = f", to go {_time(issue)}" if issue.send_at else ""
    _tell(
        issue,
        f"second:{issue.id}:{issue.frozen_hash[:16]}:{len(issue.approvals)}",
        f"{_name(issue)} needs one more approval",
        f"{by} has approved it{when}.",
        who_may=Action.PUBLISH,
        but=editor_id,
    )


def held(issue: Issue, reason: str) -> None:
    """Tell everybody that an issue does not go by itself, and why."""
    _tell(issue, f"held:{issue.id}:{_key(issue)}", f"{_name(issue)} is held", reason)


def says_what_today_shows(notice: Notice) -> bool:
    """Whether Today tells the same by itself, and as it is now: that an issue waits for an approval."""
    return notice.key.startswith(_WAITING)


_WAITING = ("opened:", "deadline:", "second:")


def _tell(
    issue: Issue, key: str, subject: str, text: str, *, who_may: Action = Action.LOOK, but: int | None = None
) -> list[Notice]:
    path = f"/admin/issues/{issue.id}"
    circle = notices.Circle(newsletter_id=issue.newsletter_id, who_may=who_may, but=but)
    return notices.tell(key, subject=subject, text=text, path=path, issue_id=issue.id, circle=circle)


def _deadline(issue: Issue) -> str:
    if issue.send_at is None:
        return ""
    due_at = issue.send_at - settings.current().approval_deadline
    return f"Approval is due {moments.clock_of(due_at, issue.newsletter.zone, beside=issue.send_at)}. " + _unapproved(
        issue
    )


def _unapproved(issue: Issue) -> str:
    return "Unapproved, it goes as it is." if issue.newsletter.sends_unapproved else "Unapproved, it is held."


def _time(issue: Issue) -> str:
    return moments.said(issue.send_at, issue.newsletter.zone) if issue.send_at else "when somebody gives it a time"


def _name(issue: Issue) -> str:
    return f"{issue.newsletter.title}, issue {issue.number},"


def _key(issue: Issue) -> str:
    return f"{issue.send_at:%Y-%m-%dT%H:%M}" if issue.send_at else ""
