"""A small magazine for the desk's tests: editors of every role, articles, readers, issues in every state."""

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import update

from newsletter import clock, db, signing
from newsletter.articles import feeds, publishing
from newsletter.audience import consent, wishes
from newsletter.audience.models import ConsentKind, Subscriber, Subscription, SubscriptionState
from newsletter.issues import composing, lifecycle, planning
from newsletter.issues.models import Issue
from newsletter.outbox import queue
from newsletter.outbox.models import Message, MessageState, Run, RunState
from newsletter.publication import legal, newsletters, topics
from newsletter.publication.models import Approval
from newsletter.staff import editors, sessions
from newsletter.staff.models import Role

TOPICS = ("Design", "Music", "Fashion", "Tech & Gadgets")
HEADLINES = (
    ("Design", "A lamp that folds flat, and the workshop that refused to make it any other way", 3952),
    ("Music", "Four voices, one room: the quartet that records without headphones", 128),
    ("Fashion", "The coat is back, and it is “enormous”", 1),
    ("Tech & Gadgets", "A keyboard for people who write letters", 77),
    ("Design", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk: a typeface for long words", 12),
    ("Music", "أغنية جديدة من بيروت", None),
)


def magazine() -> None:
    """Topics, three newsletters, articles, a feed, readers; committed."""
    legal.publish_placeholders()
    for name in TOPICS:
        topics.add(_slug(name), name)
    slugs = [_slug(name) for name in TOPICS]
    calendar = newsletters.Calendar(newsletters.DAYS, "07:00", "Europe/Berlin")
    newsletters.save(
        "daily", newsletters.Plan("The Daily", slugs, calendar, promise="The day’s stories, every morning.")
    )
    friday = newsletters.Calendar(("fri",), "08:00", "Europe/Berlin")
    newsletters.save("weekly", newsletters.Plan("The Weekly", slugs, friday, approval=Approval.ONE))
    newsletters.save("breaking", newsletters.Plan("Breaking", slugs[:2]))
    for number, (topic, headline, hypes) in enumerate(HEADLINES):
        article(headline, topic, number=number, hypes=hypes)
    feeds.add("https://magazine.example/feed.xml", topics=slugs[:1], mapping={"Tech & Gadgets": [slugs[3]]})
    readers(12)
    db.session.commit()


def article(headline: str, topic: str = "Design", *, number: int = 99, hypes: int | None = None) -> int:
    """One published article; flushed; its id."""
    draft = publishing.Draft(
        url=f"https://magazine.example/stories/{number}",
        headline=headline,
        dek="It took eleven years, two floods and a borrowed lathe before the first one stood on a desk.",
        author="Ida Vale",
        published_at=clock.now() - timedelta(hours=1 + number),
        guid=str(number),
        topics=(_slug(topic),),
        hypes=hypes,
        comments=5,
    )
    return publishing.publish(draft).article.id


def readers(count: int) -> None:
    """Confirmed readers of everything, one pending, one who left; flushed."""
    for number in range(count):
        state = {1: SubscriptionState.PENDING, 2: SubscriptionState.ENDED}.get(number, SubscriptionState.CONFIRMED)
        _reader(f"reader{number}@readers.example", state)
    db.session.flush()


def issue(slug: str, state: str = "draft") -> int:
    """An issue of a newsletter in a shown state; committed; its id."""
    made = composing.compose(newsletters.get(slug), now=clock.now())
    issue_id = made.id
    db.session.commit()
    if state == "cancelled":
        lifecycle.cancel(made, actor="test")
    if state not in ("draft", "cancelled"):
        lifecycle.approve(made, actor="test")
    if state == "scheduled":
        lifecycle.schedule(made, clock.now() + timedelta(days=1), actor="test")
    db.session.commit()
    if state in ("sending", "paused", "sent"):
        lifecycle.send_now(made, actor="test")
        db.session.commit()
        planning.release(issue_id)
        _deliver(issue_id, all_of_it=state == "sent")
        if state == "paused":
            lifecycle.pause(db.session.get_one(Issue, issue_id), actor="test", reason="Paused by hand.")
    db.session.commit()
    return issue_id


def log_in(client: FlaskClient, role: Role) -> str:
    """Log the client in as an editor of this role; the CSRF token of the session."""
    address = f"{role.value}@magazine.example"
    editor = editors.find(address) or editors.add(address, role)[0]
    cookie = sessions.start(editor)
    db.session.commit()
    client.set_cookie("session", cookie)
    found = sessions.find(cookie)
    token = signing.sign("csrf", found.id if found else 0)
    db.session.rollback()
    return token


def _reader(address: str, state: SubscriptionState) -> None:
    now = clock.now()
    subscriber = Subscriber(address=address, address_key=address, created_at=now)
    db.session.add(subscriber)
    db.session.flush()
    for newsletter in newsletters.all():
        for topic in newsletter.topics:
            db.session.add(
                Subscription(
                    subscriber_id=subscriber.id,
                    newsletter_id=newsletter.id,
                    topic_id=topic.id,
                    state=state,
                    created_at=now,
                    confirmed_at=now if state is SubscriptionState.CONFIRMED else None,
                )
            )
    shown = consent.Shown("I agree to the Terms of Use and have read the Privacy Policy.", "en", 1, 1)
    form = consent.Origin("form", "/subscribe", "192.0.2.4", "Mozilla/5.0")
    for kind in (ConsentKind.REQUESTED, ConsentKind.CONFIRMED):
        consent.record(kind, subscriber, wishes.named(["daily:music"]), form, shown=shown)


def _deliver(issue_id: int, *, all_of_it: bool) -> None:
    run = queue.find_run("issue", issue_id)
    assert run is not None
    which = update(Message).where(Message.run_id == run.id)
    if not all_of_it:
        which = which.where(Message.id % 2 == 0)
    db.session.execute(which.values(state=MessageState.SENT, settled_at=clock.now()))
    if all_of_it:
        db.session.execute(update(Run).where(Run.id == run.id).values(state=RunState.FINISHED, finished_at=clock.now()))
    db.session.commit()


def _slug(name: str) -> str:
    return name.lower().split(" ")[0]
