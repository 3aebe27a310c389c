"""The magazine's newsletters: what each promises, carries, and when it appears."""

import dataclasses
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select

from newsletter import clock, db, errors
from newsletter.languages import speech
from newsletter.publication import stamps, topics
from newsletter.publication.models import Approval, Holiday, Newsletter, NewsletterKind, NewsletterTopic

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Calendar:
    """When a newsletter appears: weekday names, local wall time HH:MM, IANA zone. No days: sent by hand."""

    days: Sequence[str] = ()
    at: str = ""
    zone: str = "UTC"
    holidays: Sequence[date] = ()


@dataclass(frozen=True)
class Plan:
    """What an editor says about a newsletter."""

    title: str
    topics: Sequence[str]
    calendar: Calendar = Calendar()
    promise: str = ""
    kind: NewsletterKind = NewsletterKind.DIGEST
    approval: Approval = Approval.NONE
    sends_unapproved: bool = False
    sender: str = ""
    minimum_stories: int | None = None
    look_back_days: int | None = None
    is_public: bool = True
    language: str = "en"


def plan_of(newsletter: Newsletter) -> Plan:
    """What was said about a newsletter, to be changed and saved again."""
    holidays = [holiday.on for holiday in newsletter.holidays]
    return Plan(
        title=newsletter.title,
        topics=[topic.slug for topic in newsletter.topics],
        calendar=Calendar([str(day) for day in newsletter.days], newsletter.at, newsletter.zone, holidays),
        promise=newsletter.promise,
        kind=newsletter.kind,
        approval=newsletter.approval,
        sends_unapproved=newsletter.sends_unapproved,
        sender=newsletter.sender,
        minimum_stories=newsletter.minimum_stories,
        look_back_days=newsletter.look_back_days,
        is_public=newsletter.is_public,
        language=newsletter.language,
    )


def stamp(plan: Plan) -> str:
    """The mark of what somebody sees before saving: see stamps."""
    return stamps.of(dataclasses.asdict(plan))


def save(slug: str, plan: Plan, *, seen: str | None = None) -> Newsletter:
    """Add the newsletter, or change the one that has this slug; the first one is the default.

    `seen` is the stamp of the one that was changed. Raises BadInput, and Conflict when it was saved since.
    """
    topics.check_slug(slug)
    _check(plan)
    carried = topics.by_slugs(list(plan.topics))
    newsletter = find(slug, lock=True)
    if newsletter is not None:
        stamps.check(seen, dataclasses.asdict(plan_of(newsletter)))
    else:
        count = db.session.scalar(select(func.count()).select_from(Newsletter)) or 0
        newsletter = Newsletter(
            slug=slug, position=count + 1, is_default=count == 0, created_at=clock.now(), days=[], at="", zone="UTC"
        )
        db.session.add(newsletter)
    newsletter.title, newsletter.promise = plan.title.strip(), plan.promise.strip()
    newsletter.kind, newsletter.approval, newsletter.sends_unapproved = plan.kind, plan.approval, plan.sends_unapproved
    newsletter.sender, newsletter.is_public, newsletter.language = plan.sender, plan.is_public, plan.language
    newsletter.minimum_stories, newsletter.look_back_days = plan.minimum_stories, plan.look_back_days
    set_calendar(newsletter, plan.calendar)
    # Cleared and flushed first: SQLAlchemy inserts before it deletes, and the pair is unique.
    newsletter.topic_links.clear()
    newsletter.holidays.clear()
    db.session.flush()
    newsletter.topic_links = [NewsletterTopic(topic=topic, position=place) for place, topic in enumerate(carried)]
    newsletter.holidays = [Holiday(on=day) for day in sorted(set(plan.calendar.holidays))]
    db.session.flush()
    return newsletter


def all() -> list[Newsletter]:  # noqa: A001 - read as newsletters.all()
    """Every newsletter, in the publication's order."""
    return list(db.session.scalars(select(Newsletter).order_by(Newsletter.position, Newsletter.id)))


def carrying() -> dict[int, list[Newsletter]]:
    """The newsletters that carry each topic, by the topic's id."""
    found: dict[int, list[Newsletter]] = {}
    for newsletter in all():
        for topic in newsletter.topics:
            found.setdefault(topic.id, []).append(newsletter)
    return found


def public() -> list[Newsletter]:
    """The newsletters a visitor is offered."""
    return [newsletter for newsletter in all() if newsletter.is_public]


def default() -> Newsletter | None:
    """The newsletter a sign-up without a choice means."""
    return db.session.scalars(select(Newsletter).filter_by(is_default=True)).first()


def zone() -> str:
    """The zone in which the publication is at home: that of its default newsletter."""
    found = default()
    return found.zone if found else "UTC"


def set_calendar(newsletter: Newsletter, calendar: Calendar) -> None:
    """Give a newsletter days, time and zone; raises BadInput. A calendar begins when it is changed."""
    days = [day for day in DAYS if day in calendar.days]
    if unknown := set(calendar.days) - set(DAYS):
        raise errors.BadInput(f"{', '.join(sorted(unknown))} is not a day. Days: {', '.join(DAYS)}.", field="days")
    if bool(days) != bool(calendar.at):
        raise errors.BadInput("A calendar needs both days and a time; leave both out to send by hand.", field="at")
    if calendar.at and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", calendar.at):
        raise errors.BadInput(f"The time must look like 07:00, not {calendar.at!r}.", field="at")
    if calendar.zone not in zoneinfo.available_timezones():
        raise errors.BadInput(f"{calendar.zone!r} is not a time zone. Write it like Europe/Berlin.", field="zone")
    if (newsletter.days, newsletter.at, newsletter.zone) != (
        days,
        calendar.at,
        calendar.zone,
    ) or newsletter.calendar_from_at is None:
        newsletter.calendar_from_at = clock.now()
    newsletter.days, newsletter.at, newsletter.zone = days, calendar.at, calendar.zone


def pause(newsletter: Newsletter) -> None:
    """Let its calendar stand still; harmless twice."""
    newsletter.paused_at = newsletter.paused_at or clock.now()
    db.session.flush()


def go_on(newsletter: Newsletter) -> None:
    """Let a paused one appear again, from its next date on: nothing of the pause is caught up. Harmless twice."""
    if newsletter.paused_at is not None:
        newsletter.paused_at, newsletter.calendar_from_at = None, clock.now()
    db.session.flush()


def find(slug: str, *, lock: bool = False) -> Newsletter | None:
    """The newsletter of a slug, or None; `lock` keeps others from changing it until the transaction ends."""
    query = select(Newsletter).filter_by(slug=slug)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(query).first()


def by_id(newsletter_id: int) -> Newsletter | None:
    """The newsletter of an id, or None."""
    return db.session.get(Newsletter, newsletter_id)


def get(slug: str) -> Newsletter:
    """The newsletter of a slug; raises NotFound that names those there are."""
    newsletter = find(slug)
    if newsletter is None:
        known = ", ".join(each.slug for each in all()) or "none yet"
        raise errors.NotFound(f"There is no newsletter {slug!r}. Newsletters: {known}.")
    return newsletter


def _check(plan: Plan) -> None:
    if not plan.title.strip():
        raise errors.BadInput("A newsletter needs a title.", field="title")
    if not plan.topics:
        raise errors.BadInput("A newsletter needs at least one topic.", field="topics")
    if plan.language not in speech.codes():
        raise errors.BadInput(f"The language must be one of {', '.join(speech.codes())}.", field="language")
    if plan.minimum_stories is not None and plan.minimum_stories < 1:
        raise errors.BadInput("An issue needs at least one story.", field="minimum_stories")
    if plan.look_back_days is not None and plan.look_back_days < 1:
        raise errors.BadInput("Please look back at least one day.", field="look_back_days")
