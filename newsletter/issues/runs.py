"""The outbox's run of an issue: opened for planning, found, thrown away while it is not released."""

from sqlalchemy import delete

from newsletter import db, settings
from newsletter.issues.models import Edition, EditionArticle, Issue
from newsletter.outbox import queue
from newsletter.outbox.models import Policy, Run

KIND = "issue"


def open_for(issue: Issue) -> Run:
    """The run of an issue, in state planning if it is new."""
    # Hold: a reader who gets no copy is listed, a reader who gets two is lost.
    return find(issue) or queue.open_run(KIND, issue.id, policy=Policy.HOLD, lifetime=settings.current().issue_expiry)


def find(issue: Issue) -> Run | None:
    """The run of an issue, or None before it was planned."""
    return queue.find_run(KIND, issue.id)


def discard(issue: Issue) -> None:
    """Forget what was planned for an issue that is not released: its messages, editions and run."""
    run = find(issue)
    if run is not None and not queue.discard(run):
        return
    # The children by hand: SQLite and PostgreSQL would cascade, but a million rows are not to be loaded first.
    editions = Edition.__table__.select().with_only_columns(Edition.id).where(Edition.issue_id == issue.id)
    db.session.execute(delete(EditionArticle).where(EditionArticle.edition_id.in_(editions)))
    db.session.execute(delete(Edition).where(Edition.issue_id == issue.id))
    issue.left_out = {}
    db.session.flush()
