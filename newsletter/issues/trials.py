"""Test mails: an edition as it would leave, sent to people who work here, marked, with links that change nothing."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import delete

from newsletter import clock, db, errors, limits, settings
from newsletter.issues import previews, trial_letters
from newsletter.issues.models import Issue, TestMail
from newsletter.issues.plates import Pressed
from newsletter.issues.selection import Profile
from newsletter.outbox import queue
from newsletter.staff import audit, editors

_MARK = "[Test] "
_HOUR = timedelta(hours=1)
_KEPT = timedelta(days=7)


def press(issue: Issue, topic_ids: Collection[int] | None = None, profile: Profile | None = None) -> Pressed:
    """The test mail of an edition. It renders: call it in a read-only request, then `send` what it made."""
    return previews.pressed(issue, topic_ids, profile, mark=_MARK)


def send(
    issue: Issue, pressed: Pressed, to: Sequence[str], *, actor: str, editor_id: int | None = None
) -> list[TestMail]:
    """Queue the test mail to these editors; flushes.

    Raises BadInput for an address of nobody who works here, Refused when too many were sent in the last hour.
    """
    known = [editor for address in dict.fromkeys(to) if (editor := editors.find(address)) and editor.is_active]
    if not known or len({editor.id for editor in known}) < len(set(to)):
        raise errors.BadInput("A test goes to people who work here. Choose at least one.", field="to")
    most = settings.current().tests_per_hour
    sent = []
    for editor in known:
        if not limits.take("tests", capacity=most, period=_HOUR):
            raise errors.Refused(f"More than {most} test mails in an hour are too many. Wait a little.")
        sent.append(_queued(issue, pressed, editor.address))
    told = {"to": [each.address for each in sent], "subject": pressed.subject}
    audit.record(actor, "test sent", f"issue {issue.id}", after=told, editor_id=editor_id)
    return sent


def forget_old() -> int:
    """Delete the test mails of which nobody asks any more; how many."""
    old = delete(TestMail).where(TestMail.created_at < clock.now() - _KEPT).returning(TestMail.id)
    return len(db.session.execute(old).all())


def _queued(issue: Issue, pressed: Pressed, address: str) -> TestMail:
    test = TestMail(
        issue_id=issue.id,
        address=address,
        sender=issue.newsletter.sender or settings.current().sender,
        content_hash=pressed.plate.digest,
        plate=pressed.plate.packed,
        created_at=clock.now(),
    )
    db.session.add(test)
    db.session.flush()
    queue.enqueue(trial_letters.KIND, recipient_id=test.id, address=address, lifetime=settings.current().notice_expiry)
    return test
