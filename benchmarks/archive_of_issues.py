"""A magazine of years: a million readers, hundreds of issues with their editions, and the messages of some big ones.

Made from the loaded magazine by a few INSERT ... SELECT: what the desk's pages read, not what a delivery has left.
"""

from datetime import timedelta

from flask import Flask
from sqlalchemy import insert, text, update

from benchmarks import magazine, processes
from benchmarks.stores import Store
from newsletter import clock, db, schema, settings
from newsletter.articles.models import Article
from newsletter.audience.models import Subscriber, SubscriptionState
from newsletter.feedback.models import GrowthDay, GrowthMark
from newsletter.issues.models import Edition, EditionArticle, EditionPart, Issue, IssueArticle, IssueState
from newsletter.outbox.models import Policy, Run, RunState, Suppression, SuppressionReason
from newsletter.publication import newsletters, topics
from newsletter.publication.newsletters import Calendar, Plan
from newsletter.staff import audit

_MADE = 2  # raised with every change of what is made here
_SLUGS = ("daily", "weekly", "weekend", "breaking")
_STORIES = 10


def filled(store: Store, *, readers: int, issues: int, big: int) -> str:
    """The template: this many readers and issues, the newest `big` of which have a message for every reader."""
    # Not named for the schema: whoever takes a copy brings it to the newest one.
    name = f"filled_{readers}_{issues}_{big}_{_MADE}"
    if not store.has(name):
        store.copy_into(name, magazine.loaded(store, readers), lambda url: _fill(url, issues, big))
    return name


def _fill(url: str, issues: int, big: int) -> None:
    settings.use(settings.load(processes.variables(url)))
    schema.upgrade(url)
    app: Flask = magazine.app(url)
    with app.app_context():
        _more_newsletters()
        _more_articles(issues)
        _more_suppressions()
        run_ids = _past_issues(issues)
        _growth()
        db.session.commit()
        for run_id in run_ids[-big:]:
            _send_to_everybody(run_id)
            db.session.commit()
        db.session.remove()
        db.extension.engine.dispose()


def _more_newsletters() -> None:
    """Three beside the daily, for which every tenth reader has asked as well, left, or waits to confirm."""
    slugs = [topic.slug for topic in topics.all()]
    for place, slug in enumerate(_SLUGS[1:]):
        days = () if slug == "breaking" else ("fri",)
        newsletters.save(slug, Plan(slug.title(), slugs, Calendar(days, "08:00" if days else "", "Europe/Berlin")))
        db.session.flush()
        state = (SubscriptionState.CONFIRMED, SubscriptionState.PENDING, SubscriptionState.ENDED)[place]
        db.session.execute(
            text(
                "INSERT INTO subscription (subscriber_id, newsletter_id, topic_id, state, created_at, confirmed_at, "
                "ended_at) SELECT id, :newsletter, 1, :state, created_at, NULL, NULL FROM subscriber "
                "WHERE id % 10 = :place"
            ),
            {"newsletter": newsletters.get(slug).id, "state": state.value, "place": place},
        )


def _more_articles(issues: int) -> None:
    """As many stories as the issues bring, copied from one that is there."""
    pattern = db.session.query(Article).order_by(Article.id).first()
    assert pattern is not None
    values = {column.name: getattr(pattern, _attribute(column.name)) for column in Article.__table__.columns}
    values.pop("id")
    now = clock.now()
    for first in range(0, issues * 4, 500):
        rows = []
        for number in range(first, min(first + 500, issues * 4)):
            url, at = f"https://magazine.example/archive/{number}", now - timedelta(hours=6 * number)
            row = values | {"url": url, "headline": f"Story {number} of the archive"}
            row |= {name: url for name in ("url_key", "canonical_url", "guid") if name in values}
            row |= {name: at for name in ("published_at", "first_seen_at", "ready_at", "seen_at") if name in values}
            rows.append(row)
        db.session.execute(insert(Article), rows)
    db.session.execute(
        text(
            "INSERT INTO article_topic (article_id, topic_id, position, source) "
            "SELECT id, 1 + id % 8, 0, 'feed' FROM article "
            "WHERE id NOT IN (SELECT article_id FROM article_topic)"
        )
    )


def _attribute(column: str) -> str:
    return next(each.key for each in Article.__mapper__.column_attrs if each.columns[0].name == column)


def _more_suppressions() -> None:
    """Every fiftieth reader's mail comes back."""
    people = db.session.query(Subscriber.id, Subscriber.address_key).filter(Subscriber.id % 50 == 0).all()
    rows = [
        {
            "address": key,
            "digest": f"s{number:063x}",
            "reason": SuppressionReason.HARD_BOUNCE,
            "created_at": clock.now(),
        }
        for number, key in people
    ]
    for first in range(0, len(rows), 5000):
        db.session.execute(insert(Suppression), rows[first : first + 5000])
    some = Subscriber.id % 1000 == 1
    db.session.execute(update(Subscriber).where(some).values(paused_until=clock.now() + timedelta(days=20)))


def _past_issues(issues: int) -> list[int]:
    """Released and finished ones, each with stories, editions, audit lines and a run; the runs' ids."""
    ids = [newsletters.get(slug).id for slug in _SLUGS]
    articles = [row[0] for row in db.session.query(Article.id).order_by(Article.id)]
    now, found = clock.now(), []
    for number in range(issues):
        at = now - timedelta(days=issues - number, hours=1)
        issue = Issue(
            newsletter_id=ids[number % len(ids)],
            number=1000 + number,
            state=IssueState.RELEASED,
            subject=f"The story of day {number}",
            cutoff_at=at,
            look_back_from=at - timedelta(days=2),
            created_at=at,
            approved_at=at,
            released_at=at,
            send_at=at,
            left_out={"paused": 1000, "nothing_new": 20_000},
        )
        db.session.add(issue)
        db.session.flush()
        chosen = [articles[(number * 4 + place) % len(articles)] for place in range(_STORIES)]
        for place, article_id in enumerate(chosen):
            db.session.add(IssueArticle(issue_id=issue.id, article_id=article_id, position=place))
        for key in range(20):
            _edition(issue.id, key, chosen)
        run = Run(
            kind="issue",
            ref=issue.id,
            state=RunState.FINISHED,
            policy=Policy.HOLD,
            lifetime_seconds=86_400,
            created_at=at,
            released_at=at,
            running_since=at,
            finished_at=at + timedelta(hours=1),
        )
        db.session.add(run)
        db.session.flush()
        for action in ("composed", "approve", "schedule", "release"):
            audit.record("editor@magazine.example", action, f"issue {issue.id}", before={}, after={"state": action})
        found.append(run.id)
        if number % 50 == 0:
            db.session.commit()
    return found


def _edition(issue_id: int, key: int, articles: list[int]) -> None:
    edition = Edition(
        issue_id=issue_id,
        key=f"{issue_id}-{key}",
        readers=0,
        subject=f"The story of edition {key}",
        content_hash="0" * 64,
        plate=b"",
    )
    edition.stories = [
        EditionArticle(article_id=article_id, part=EditionPart.STORY) for article_id in articles[key % 5 :]
    ]
    db.session.add(edition)


def _send_to_everybody(run_id: int) -> None:
    """A message a reader: most sent, one in a hundred bounced, a few uncertain, and none left open."""
    # The issue's first edition stands for all of them.
    db.session.execute(
        text(
            "INSERT INTO message (run_id, recipient_id, ref, address, address_key, domain, despite_bounce, message_id, "
            "state, due_at, attempts, doubts, last_phase, last_reply, created_at, settled_at) "
            "SELECT :run, id, (SELECT min(edition.id) FROM edition JOIN run ON run.ref = edition.issue_id "
            "WHERE run.id = :run), address, address_key, 'mail.example', false, "
            "'<' || CAST(:run AS TEXT) || '.' || CAST(id AS TEXT) || '@magazine.example>', "
            "CASE WHEN id % 100 = 7 THEN 'bounced' WHEN id % 20000 = 9 THEN 'uncertain' ELSE 'sent' END, "
            "run_at, 1, 0, 'dot', '2.0.0 Ok', run_at, run_at "
            "FROM subscriber, (SELECT released_at AS run_at FROM run WHERE id = :run) AS its"
        ),
        {"run": run_id},
    )
    count = "(SELECT count(*) FROM message WHERE run_id = :run)"
    db.session.execute(text(f"UPDATE run SET planned = {count} WHERE id = :run"), {"run": run_id})
    first = "(SELECT min(edition.id) FROM edition JOIN run ON run.ref = edition.issue_id WHERE run.id = :run)"
    db.session.execute(text(f"UPDATE edition SET readers = {count} WHERE id = {first}"), {"run": run_id})


def _growth() -> None:
    """Two years of counted days, for the whole, every newsletter and every topic."""
    scopes = [("", ""), *((slug, "") for slug in _SLUGS), *(("", topic.slug) for topic in topics.all())]
    today = clock.now().date()
    rows = [
        {
            "day": today - timedelta(days=day),
            "newsletter": newsletter,
            "topic": topic,
            "joined": 1400 + day % 7 * 90,
            "departed": 40 + day % 5 * 11,
        }
        for day in range(730)
        for newsletter, topic in scopes
    ]
    db.session.execute(insert(GrowthDay), rows)
    last = db.session.execute(text("SELECT coalesce(max(id), 0) FROM consent_record")).scalar_one()
    db.session.add(GrowthMark(id=1, record_id=last, counted_at=clock.now()))
