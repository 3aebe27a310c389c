"""What must be true of delivery on a live database: each rule a query that finds whoever breaks it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from newsletter import db

LISTED = 20  # offenders named per rule


@dataclass(frozen=True)
class Rule:
    """One invariant: what is promised, and the query whose rows break the promise (its first column names them)."""

    name: str
    promise: str
    broken_by: str


@dataclass(frozen=True)
class Finding:
    """What a rule found."""

    rule: Rule
    offenders: Sequence[str]


_OPEN = "('queued', 'claimed', 'sending', 'deferred')"
_NOT_HAD = "('bounced', 'expired', 'cancelled', 'skipped')"

RULES = (
    Rule(
        "I1",
        "Each reader has at most one message per run.",
        "SELECT run_id FROM message GROUP BY run_id, recipient_id HAVING count(*) > 1",
    ),
    Rule(
        "I2",
        "A released run holds exactly the messages that were planned.",
        """SELECT run.id FROM run
           WHERE NOT run.is_stream AND run.state <> 'planning' AND run.released_at IS NOT NULL
           AND run.planned <> (SELECT count(*) FROM message WHERE message.run_id = run.id)""",
    ),
    Rule(
        "I3",
        "A run is finished only when none of its messages is open.",
        f"""SELECT run.id FROM run WHERE run.state = 'finished'
            AND EXISTS (SELECT 1 FROM message WHERE message.run_id = run.id AND message.state IN {_OPEN})""",
    ),
    Rule(
        "I3b",
        "Nothing was sent before its run was released.",
        """SELECT run.id FROM run WHERE run.released_at IS NULL
           AND EXISTS (SELECT 1 FROM message WHERE message.run_id = run.id
                       AND message.state IN ('sending', 'sent', 'uncertain'))""",
    ),
    Rule(
        "I8",
        "Each message has a Message-ID of its own.",
        "SELECT message_id FROM message GROUP BY message_id HAVING count(*) > 1 OR message_id = ''",
    ),
    Rule(
        "I10",
        "A message that reached its end says when, and nobody holds it.",
        f"SELECT id FROM message WHERE state NOT IN {_OPEN} AND (settled_at IS NULL OR claimed_by IS NOT NULL)",
    ),
    Rule(
        "I13",
        "Nobody was written an issue without a confirmed or imported consent on record.",
        """SELECT message.id FROM message JOIN run ON run.id = message.run_id
           WHERE run.kind = 'issue'
           AND message.state IN ('sent', 'sending', 'uncertain', 'queued', 'claimed', 'deferred')
           AND EXISTS (SELECT 1 FROM subscriber WHERE subscriber.id = message.recipient_id)
           AND NOT EXISTS (SELECT 1 FROM consent_record WHERE consent_record.subscriber_id = message.recipient_id
                           AND consent_record.kind IN ('confirmed', 'imported'))""",
    ),
    Rule(
        "I14",
        "A newsletter has one occurrence a local date, and each occurrence one issue.",
        "SELECT newsletter_id FROM occurrence GROUP BY newsletter_id, local_on HAVING count(*) > 1",
    ),
    Rule(
        "I17",
        "The readers counted for an edition are the messages planned for it.",
        """SELECT edition.id FROM edition JOIN run ON run.kind = 'issue' AND run.ref = edition.issue_id
           WHERE run.released_at IS NOT NULL AND edition.readers <>
           (SELECT count(*) FROM message WHERE message.run_id = run.id AND message.ref = edition.id)""",
    ),
    Rule(
        "once",
        "Nobody gets an article twice in digests.",
        f"""SELECT DISTINCT message.recipient_id FROM message
            JOIN run ON run.id = message.run_id AND run.kind = 'issue'
            JOIN issue ON issue.id = run.ref
            JOIN newsletter ON newsletter.id = issue.newsletter_id AND newsletter.kind = 'digest'
            JOIN edition_article ON edition_article.edition_id = message.ref AND edition_article.part = 'story'
            WHERE message.state NOT IN {_NOT_HAD}
            GROUP BY message.recipient_id, edition_article.article_id HAVING count(*) > 1""",
    ),
)


def check() -> list[Finding]:
    """Run every rule, reading only; a finding per rule, with up to LISTED offenders."""
    with db.reading():
        db.session.rollback()
        findings = [Finding(rule, _offenders(rule)) for rule in RULES]
        db.session.rollback()
    return findings


def _offenders(rule: Rule) -> list[str]:
    rows = db.session.execute(text(rule.broken_by)).fetchmany(LISTED)
    return [str(row[0]) for row in rows]
