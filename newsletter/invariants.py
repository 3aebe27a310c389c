"""What must be true of delivery on a live database: each rule a query that finds whoever breaks it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, text

from newsletter import db, settings
from newsletter.audience import verifying
from newsletter.db import UtcDateTime
from newsletter.outbox import sql
from newsletter.publication import legal

LISTED = 20  # offenders named per rule


@dataclass(frozen=True)
class Rule:
    """One invariant: what is promised, and the query whose rows, each an id of `who`, break the promise.

    Every query walks a table or an index once: a million messages take seconds.
    """

    name: str
    promise: str
    who: str
    broken_by: str


@dataclass(frozen=True)
class Finding:
    """What a rule found."""

    rule: Rule
    offenders: Sequence[str]


_OPEN = "('queued', 'claimed', 'sending', 'deferred')"
_ENDS = "('sent', 'bounced', 'expired', 'skipped', 'uncertain', 'cancelled')"
_NOT_HAD = "('bounced', 'expired', 'cancelled', 'skipped')"

# `:silent_before`, `:latest_turn` are instants; {long_after} is an instant after which nothing that was on the wire at
# `suppression.created_at` can still be.
RULES = (
    Rule(
        "I1",
        "Each reader has at most one message per run.",
        "run",
        """SELECT DISTINCT run_id FROM
           (SELECT run_id FROM message GROUP BY run_id, recipient_id HAVING count(*) > 1) AS doubled""",
    ),
    Rule(
        "I1b",
        "Each message belongs to a run.",
        "run",
        """SELECT held.run_id FROM (SELECT DISTINCT run_id FROM message) AS held
           LEFT JOIN run ON run.id = held.run_id WHERE run.id IS NULL""",
    ),
    Rule(
        "I2",
        "A released run holds exactly the messages that were planned.",
        "run",
        """SELECT run.id FROM run
           LEFT JOIN (SELECT run_id, count(*) AS number FROM message GROUP BY run_id) AS held ON held.run_id = run.id
           WHERE NOT run.is_stream AND run.released_at IS NOT NULL AND run.state NOT IN ('planning', 'finished')
             AND run.planned <> coalesce(held.number, 0)""",
    ),
    Rule(
        "I3",
        "Of a finished run every message reached its end: "
        "planned = sent + skipped + bounced + expired + uncertain + cancelled.",
        "run",
        f"""SELECT run.id FROM run
            LEFT JOIN (SELECT run_id, count(*) AS number FROM message
                       WHERE state IN {_ENDS} AND run_id IN (SELECT id FROM run WHERE state = 'finished')
                       GROUP BY run_id) AS ended ON ended.run_id = run.id
            WHERE run.state = 'finished' AND run.planned <> coalesce(ended.number, 0)""",
    ),
    Rule(
        "I3b",
        "Nothing was sent before its run was released.",
        "run",
        """SELECT run.id FROM run WHERE run.released_at IS NULL
           AND EXISTS (SELECT 1 FROM message WHERE message.run_id = run.id
                       AND message.state IN ('sending', 'sent', 'uncertain'))""",
    ),
    Rule(
        "I7",
        "Each message is in a state that there is.",
        "message",
        f"SELECT id FROM message WHERE state NOT IN {_OPEN} AND state NOT IN {_ENDS}",
    ),
    Rule(
        "I8",
        "Each message has a Message-ID of its own.",
        "message",
        "SELECT min(id) FROM message GROUP BY message_id HAVING count(*) > 1 OR message_id = ''",
    ),
    Rule(
        "I9",
        "Nobody was written after their address was suppressed.",
        "message",
        """SELECT message.id FROM suppression JOIN message ON message.address_key = suppression.address
           WHERE message.state = 'sent' AND message.settled_at > {long_after}
             AND (suppression.lifted_at IS NULL OR message.settled_at < suppression.lifted_at)
             AND NOT (message.despite_bounce AND suppression.reason = 'hard_bounce')""",
    ),
    Rule(
        "I10",
        "A message that reached its end says when, and nobody holds it.",
        "message",
        f"SELECT id FROM message WHERE state IN {_ENDS} AND (settled_at IS NULL OR claimed_by IS NOT NULL)",
    ),
    Rule(
        "I10b",
        "A message that has not reached its end does not say so.",
        "message",
        f"SELECT id FROM message WHERE state IN {_OPEN} AND settled_at IS NOT NULL",
    ),
    Rule(
        "I11",
        "A message brings an edition of its own issue.",
        "run",
        """SELECT DISTINCT pair.run_id FROM (SELECT run_id, ref FROM message GROUP BY run_id, ref) AS pair
           JOIN run ON run.id = pair.run_id AND run.kind = 'issue'
           LEFT JOIN edition ON edition.id = pair.ref
           WHERE edition.id IS NULL OR edition.issue_id <> run.ref""",
    ),
    Rule(
        "I13",
        "Nobody was written an issue without a confirmed or imported consent on record.",
        "message",
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
        "newsletter",
        """SELECT newsletter_id FROM occurrence GROUP BY newsletter_id, local_on HAVING count(*) > 1
           UNION SELECT newsletter_id FROM issue WHERE occurrence_id IS NOT NULL
           GROUP BY newsletter_id, occurrence_id HAVING count(*) > 1""",
    ),
    Rule(
        "I14b",
        "An issue is released exactly when its run is.",
        "issue",
        """SELECT issue.id FROM issue LEFT JOIN run ON run.kind = 'issue' AND run.ref = issue.id
           WHERE (issue.state = 'released') <> (run.released_at IS NOT NULL)""",
    ),
    Rule(
        "I15",
        "What is leaving is held by a worker, and what waits is held by nobody.",
        "message",
        """SELECT id FROM message WHERE (state IN ('claimed', 'sending') AND claimed_by IS NULL)
           OR (state IN ('queued', 'deferred') AND claimed_by IS NOT NULL)""",
    ),
    Rule(
        "I15b",
        "No message is held by a worker that ended or fell silent.",
        "worker",
        """SELECT DISTINCT message.claimed_by FROM message LEFT JOIN worker ON worker.id = message.claimed_by
           WHERE message.claimed_by IS NOT NULL
             AND (worker.id IS NULL OR worker.ended_at IS NOT NULL OR worker.heartbeat_at < :silent_before)""",
    ),
    Rule(
        "I17",
        "The readers counted for an edition are the messages planned for it.",
        "edition",
        """SELECT edition.id FROM edition JOIN run ON run.kind = 'issue' AND run.ref = edition.issue_id
           LEFT JOIN (SELECT run_id, ref, count(*) AS number FROM message GROUP BY run_id, ref) AS planned
             ON planned.run_id = run.id AND planned.ref = edition.id
           WHERE run.released_at IS NOT NULL AND edition.readers <> coalesce(planned.number, 0)""",
    ),
    Rule(
        "I18",
        "Nothing still leaves in words that were withdrawn or corrected.",
        "issue",
        """SELECT DISTINCT edition.issue_id FROM edition_article AS brought
           JOIN edition ON edition.id = brought.edition_id
           JOIN run ON run.kind = 'issue' AND run.ref = edition.issue_id AND run.state = 'running'
           WHERE (EXISTS (SELECT 1 FROM article WHERE article.id = brought.article_id
                          AND article.withdrawn_at IS NOT NULL)
               OR EXISTS (SELECT 1 FROM article_correction AS made WHERE made.article_id = brought.article_id
                          AND made.is_shown AND made.id > brought.correction_id))
             AND EXISTS (SELECT 1 FROM message WHERE message.run_id = run.id AND message.ref = edition.id
                         AND message.state IN ('queued', 'claimed', 'deferred'))""",
    ),
    Rule(
        "run",
        "A run says since when it runs, why it is paused and when it finished; a stream only runs.",
        "run",
        """SELECT id FROM run
           WHERE (is_stream AND state <> 'running')
              OR (state = 'planning' AND released_at IS NOT NULL)
              OR (state = 'running' AND (released_at IS NULL OR running_since IS NULL))
              OR (state = 'paused' AND paused_reason = '')
              OR ((state = 'finished') <> (finished_at IS NOT NULL))""",
    ),
    Rule(
        "due",
        "No message waits longer than the longest wait there is.",
        "message",
        "SELECT id FROM message WHERE state IN ('queued', 'deferred') AND due_at > :latest_turn",
    ),
    Rule(
        "once",
        "Nobody gets an article twice in digests.",
        "subscriber",
        # Only articles that stand in several issues can be had twice: of those there are few.
        f"""WITH carried AS (
                SELECT edition.id AS edition_id, edition.issue_id, edition_article.article_id
                FROM edition_article JOIN edition ON edition.id = edition_article.edition_id
                JOIN issue ON issue.id = edition.issue_id
                JOIN newsletter ON newsletter.id = issue.newsletter_id AND newsletter.kind = 'digest'
                WHERE edition_article.part = 'story'),
            shared AS (
                SELECT edition_id, article_id FROM carried WHERE article_id IN (
                    SELECT article_id FROM carried GROUP BY article_id HAVING count(DISTINCT issue_id) > 1))
            SELECT DISTINCT recipient_id FROM (
                SELECT message.recipient_id FROM message
                JOIN run ON run.id = message.run_id AND run.kind = 'issue'
                JOIN shared ON shared.edition_id = message.ref
                WHERE message.state NOT IN {_NOT_HAD}
                GROUP BY message.recipient_id, shared.article_id HAVING count(*) > 1) AS twice""",
    ),
)

# What no query can tell: a hash has to be computed.
_COMPUTED = (
    (Rule("chain", "Every reader's consent records are as they were written.", "subscriber", ""), verifying.broken),
    (Rule("texts", "Every published text is as it was published.", "text", ""), legal.changed),
)


def check() -> list[Finding]:
    """Run every rule, reading only; a finding per rule, with up to LISTED offenders."""
    with db.reading():
        db.session.rollback()
        instants = _instants(sql.database_time(db.session.connection()))
        findings = []
        for rule in RULES:
            findings.append(Finding(rule, _offenders(rule, instants)))
            db.session.rollback()  # a snapshot held for long would keep the whole outbox's old rows
        for rule, find in _COMPUTED:
            findings.append(Finding(rule, find(at_most=LISTED)))
            db.session.rollback()
    return findings


def _instants(now: datetime) -> dict[str, datetime]:
    chosen = settings.current()
    a_minute = timedelta(minutes=1)
    return {
        # Silent workers are found by the sweep, which is a heartbeat or an interval late at most.
        "silent_before": now - chosen.worker_silence - chosen.sweep_interval - chosen.worker_heartbeat,
        "latest_turn": now + max(chosen.retry_most, chosen.pace_ahead) + a_minute,
    }


def _offenders(rule: Rule, instants: dict[str, datetime]) -> list[str]:
    # A message past its intent when the address was suppressed still gets its outcome, within the dot's deadline.
    seconds = int((settings.current().dot_time + settings.current().command_time).total_seconds())
    written = rule.broken_by.replace("{long_after}", _LONG_AFTER[db.session.connection().dialect.name].format(seconds))
    used = {name: at for name, at in instants.items() if f":{name}" in written}
    statement = text(written).bindparams(*(bindparam(name, type_=UtcDateTime()) for name in used))
    return [str(row[0]) for row in db.session.execute(statement, used).fetchmany(LISTED)]


_LONG_AFTER = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', suppression.created_at, '+{} seconds')",
    "postgresql": "(suppression.created_at + interval '{} seconds')",
}
