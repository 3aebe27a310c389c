"""What has happened at the sample magazine: three mornings of The Daily, who left meanwhile, and what is in the making.

Owns its transactions, as releasing an issue does.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import case, select, update

from newsletter import clock, db
from newsletter.audience import addresses, consent, reader_links, unsubscribe
from newsletter.audience.models import Subscriber
from newsletter.demo import marking, readers
from newsletter.demo.readers import Fate, Person
from newsletter.issues import calendar, composing, editing, lifecycle, planning, runs
from newsletter.issues.calendar import Occasion
from newsletter.issues.editing import Hand, Words
from newsletter.issues.models import Issue, Occurrence
from newsletter.outbox import suppression
from newsletter.outbox.models import Message, MessageState, Run, RunState, SuppressionReason
from newsletter.publication import newsletters

_MORNINGS = 3
# The newest stories are younger than this: they are in no sent issue, so that everybody still has something to get.
_FRESH = timedelta(hours=4)
_BREAKING = "a-documentary-about-gravel"


def tell() -> None:
    """Send the past mornings' issues at their times, then leave one issue scheduled and one waiting for approval."""
    now = clock.now()
    mornings = _mornings(now)
    for place, occasion in enumerate(mornings):
        with clock.standing_at(occasion.due_at):
            issue_id = _send_daily(occasion)
            _deliver(issue_id, occasion.due_at, bounces=place == 1)
        with clock.standing_at(occasion.due_at + timedelta(hours=2)):
            _part(place)
            db.session.commit()
    _schedule_breaking(now)
    composing.compose(newsletters.get("weekly"), now=now)
    db.session.commit()


def _mornings(now: datetime) -> list[Occasion]:
    schedule = calendar.schedule_of(newsletters.get("daily"))
    if schedule is None:
        return []
    return calendar.occurrences(schedule, now - timedelta(days=_MORNINGS + 2), now - _FRESH)[-_MORNINGS:]


def _send_daily(occasion: Occasion) -> int:
    """The Daily as the calendar makes it: composed, approved and released at its time. Returns the issue's id."""
    daily = newsletters.get("daily")
    issue = composing.compose(daily, now=occasion.due_at, is_automatic=True)
    occurrence = Occurrence(newsletter_id=daily.id, local_on=occasion.on, due_at=occasion.due_at)
    db.session.add(occurrence)
    db.session.flush()
    issue.occurrence_id, issue.send_at = occurrence.id, occasion.due_at
    lifecycle.approve(issue, actor="scheduler")
    lifecycle.send_now(issue, actor="scheduler")
    issue_id = issue.id
    db.session.commit()
    planning.release(issue_id)
    return issue_id


def _deliver(issue_id: int, began_at: datetime, *, bounces: bool) -> None:
    """Settle every message of a released issue as a mail server would have, and finish its run."""
    run = db.session.scalars(select(Run).filter_by(kind=runs.KIND, ref=issue_id)).one()
    gone = _keys(Fate.BOUNCED) if bounces else []
    ended_at = began_at + timedelta(seconds=4)
    is_gone = Message.address_key.in_(gone)
    db.session.execute(
        update(Message)
        .where(Message.run_id == run.id)
        .values(
            state=case((is_gone, MessageState.BOUNCED), else_=MessageState.SENT),
            last_phase=case((is_gone, "rcpt"), else_="dot"),
            last_code=case((is_gone, 550), else_=250),
            last_reply=case((is_gone, "5.1.1 There is no such mailbox here"), else_="2.0.0 Ok: queued"),
            attempts=1,
            dated_at=began_at,
            settled_at=ended_at,
        )
        .execution_options(synchronize_session=False)
    )
    for key in gone:
        suppression.suppress(key, SuppressionReason.HARD_BOUNCE, "5.1.1 There is no such mailbox here")
    run.state, run.finished_at = RunState.FINISHED, ended_at
    db.session.commit()


def _part(morning: int) -> None:
    """After a morning some readers leave by the link of that mail, and after the first two complain."""
    for person, reader in _people(Fate.LEFT):
        if person.number % _MORNINGS == morning:
            _leave(reader, consent.Origin("one-click"))
    for _, reader in _people(Fate.COMPLAINED) if morning == 0 else ():
        suppression.suppress(
            reader.address_key, SuppressionReason.COMPLAINT, "Reported as spam by its mailbox provider"
        )
        _leave(reader, consent.Origin("complaint"))


def _leave(reader: Subscriber, origin: consent.Origin) -> None:
    link = reader_links.ReaderLink(reader.id, newsletters.get("daily").id)
    unsubscribe.leave(link, origin, everything=True)


def _schedule_breaking(now: datetime) -> None:
    """One story that an editor has picked, approved for this evening's or tomorrow's full hour."""
    issue, hand = composing.compose(newsletters.get("breaking"), now=now), Hand(marking.ACTOR)
    chosen = next(entry for entry in issue.stories if entry.article.url.endswith(marking.PATH + _BREAKING))
    for entry in issue.stories:
        if entry is not chosen:
            editing.drop(issue, entry.article_id, hand)
    words = Words(
        subject="It is official: the gravel film is number one",
        intro="We said we would only write when it could not wait. Strictly speaking this could have.",
    )
    editing.word(issue, words, hand)
    lifecycle.approve(issue, actor=marking.ACTOR)
    lifecycle.schedule(issue, _evening_after(now, issue), actor=marking.ACTOR)


def _evening_after(now: datetime, issue: Issue) -> datetime:
    """Six in the evening in the newsletter's zone, at least two hours from now."""
    zone = ZoneInfo(issue.newsletter.zone)
    day = (now + timedelta(hours=2)).astimezone(zone)
    evening = datetime.combine(day.date(), time(18), zone)
    return evening if evening > day else evening + timedelta(days=1)


def _keys(fate: Fate) -> list[str]:
    return [addresses.parse(person.address).key for person in readers.everybody() if person.fate is fate]


def _people(fate: Fate) -> Iterable[tuple[Person, Subscriber]]:
    by_key = {reader.address_key: reader for reader in _readers(_keys(fate))}
    return [(person, by_key[person.address]) for person in readers.everybody() if person.address in by_key]


def _readers(keys: list[str]) -> list[Subscriber]:
    return list(db.session.scalars(select(Subscriber).where(Subscriber.address_key.in_(keys)).order_by(Subscriber.id)))
