"""The magazine's newsletters: listed, added, changed, paused, with what their calendars mean."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import available_timezones

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from newsletter import clock, db, errors, settings
from newsletter.issues import agenda, calendar
from newsletter.languages import speech
from newsletter.mail import addresses
from newsletter.publication import newsletters, topics
from newsletter.publication.models import Approval, Holiday, Newsletter, NewsletterKind
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_newsletters", __name__, url_prefix="/admin/newsletters")
Chosen = TypeVar("Chosen", NewsletterKind, Approval)
_NEW = {"zone": "UTC", "is_public": "yes", "kind": "digest", "approval": "none", "language": "en"}


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> str:
    """The list."""
    coming = {each.newsletter.id: each for each in agenda.coming()}
    return render_template(
        "admin/newsletters.html", newsletters=newsletters.all(), coming=coming, how_often=calendar.how_often
    )


@blueprint.get("/new")
@access.needs(Action.PLAN)
def begin() -> Response:
    """The empty form."""
    return _form(None, MultiDict(_NEW))


@blueprint.post("")
@access.needs(Action.PLAN)
def add() -> Response:
    """Add a newsletter."""
    slug = request.form.get("slug", "").strip()
    if newsletters.find(slug) is not None:
        return _form(None, request.form, errors.BadInput("This short name is taken.", field="slug"))
    return _save(None, slug)


@blueprint.get("/new/meaning")
@access.needs(Action.LOOK)
def meaning() -> str:
    """What a calendar that is being typed means, as a fragment that the page fetches anew."""
    return render_template("admin/_meaning.html", meaning=_meaning(request.args))


@blueprint.get("/<slug>")
@access.needs(Action.PLAN)
def edit(slug: str) -> Response:
    """The form with what it is now."""
    newsletter = newsletters.get(slug)
    return _form(newsletter, _as_typed(newsletter), seen=_stamp(newsletter))


@blueprint.post("/<slug>")
@access.needs(Action.PLAN)
def change(slug: str) -> Response:
    """Change a newsletter."""
    return _save(newsletters.get(slug), slug)


@blueprint.post("/<slug>/pause")
@access.needs(Action.PLAN)
def set_pause(slug: str) -> Response:
    """Let its calendar stand still, or go on."""
    newsletter, visitor = newsletters.get(slug), access.visitor()
    before, goes_on = newsletter.paused_at is not None, request.form.get("do") == "go on"
    (newsletters.go_on if goes_on else newsletters.pause)(newsletter)
    after = newsletter.paused_at is not None
    if before != after:
        audit.record(
            visitor.address,
            "newsletter goes on" if goes_on else "newsletter paused",
            f"newsletter {slug}",
            before={"paused": before},
            after={"paused": after},
            editor_id=visitor.editor_id,
        )
    title = newsletter.title
    db.session.commit()
    return answers.see_other(
        url_for(".edit", slug=slug), told=f"{title} appears again." if goes_on else f"{title} is paused."
    )


def _save(newsletter: Newsletter | None, slug: str) -> Response:
    seen, asked = request.form.get("seen", ""), request.form.get("do", "")
    if asked:
        return _form(newsletter, _moved(request.form, asked), seen=seen)
    before = _as_typed(newsletter).to_dict(flat=False) if newsletter else {}
    try:
        saved = newsletters.save(slug, _plan(request.form), seen=seen if newsletter else None)
    except errors.BadInput as error:
        db.session.rollback()
        return _form(newsletters.find(slug) if newsletter else None, request.form, error, seen=seen)
    except errors.Conflict:
        db.session.rollback()
        return _both(newsletters.get(slug))
    visitor = access.visitor()
    audit.record(
        visitor.address,
        "newsletter changed" if newsletter else "newsletter added",
        f"newsletter {saved.slug}",
        before=before,
        after=_as_typed(saved).to_dict(flat=False),
        editor_id=visitor.editor_id,
    )
    title = saved.title
    db.session.commit()
    return answers.see_other(url_for("desk_newsletters.show"), told=f"{title} is saved.")


def _both(present: Newsletter) -> Response:
    """What was typed, over what somebody else has saved, and where the two differ."""
    theirs, mine = _as_typed(present), request.form
    differing = [name for name in theirs if (theirs.getlist(name) or [""]) != (mine.getlist(name) or [""])]
    said = [(name, ", ".join(theirs.getlist(name))) for name in differing if name != "slug"]
    return _form(present, mine, seen=_stamp(present), theirs=said)


def _moved(form: MultiDict[str, str], asked: str) -> MultiDict[str, str]:
    """What was typed, with a topic moved among the ticked ones."""
    typed, chosen = MultiDict(form), form.getlist("topics")
    way, _, slug = asked.partition(" ")
    if slug in chosen:
        here = chosen.index(slug)
        there = min(max(here + (-1 if way == "up" else 1), 0), len(chosen) - 1)
        chosen[here], chosen[there] = chosen[there], chosen[here]
        typed.setlist("topics", chosen)
    return typed


def _stamp(newsletter: Newsletter) -> str:
    return newsletters.stamp(newsletters.plan_of(newsletter))


def _plan(form: MultiDict[str, str]) -> newsletters.Plan:
    return newsletters.Plan(
        title=form.get("title", ""),
        topics=form.getlist("topics"),
        calendar=_calendar(form),
        promise=form.get("promise", ""),
        kind=_choice(NewsletterKind, form, "kind"),
        approval=_choice(Approval, form, "approval"),
        sends_unapproved=form.get("sends_unapproved") == "yes",
        sender=_sender(form),
        minimum_stories=_number(form, "minimum_stories"),
        look_back_days=_number(form, "look_back_days"),
        is_public=form.get("is_public") == "yes",
        language=form.get("language", ""),
    )


def _calendar(form: MultiDict[str, str]) -> newsletters.Calendar:
    at, zone = form.get("at", "").strip(), form.get("zone", "").strip()
    return newsletters.Calendar(form.getlist("days"), at, zone, _dates(form))


def _sender(form: MultiDict[str, str]) -> str:
    sender = form.get("sender", "").strip()
    try:
        if sender:
            addresses.parse(sender)
    except errors.BadInput as error:
        raise errors.BadInput(error.message, field="sender") from None
    return sender


def _choice(kind: type[Chosen], form: MultiDict[str, str], field: str) -> Chosen:
    try:
        return kind(form.get(field, ""))
    except ValueError:
        raise errors.BadInput("Please choose one of these.", field=field) from None


def _number(form: MultiDict[str, str], field: str) -> int | None:
    text = form.get(field, "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 4):
        raise errors.BadInput("Please write a whole number, or leave it empty.", field=field)
    return int(text) if text else None


def _dates(form: MultiDict[str, str]) -> list[date]:
    found = []
    for line in form.get("holidays", "").split():
        try:
            found.append(date.fromisoformat(line))
        except ValueError:
            raise errors.BadInput(
                f"{line!r} is not a date. Write one a line, like 2026-12-25.", field="holidays"
            ) from None
    return found


def _as_typed(newsletter: Newsletter) -> MultiDict[str, str]:
    typed: MultiDict[str, str] = MultiDict(
        {
            "slug": newsletter.slug,
            "title": newsletter.title,
            "promise": newsletter.promise,
            "kind": newsletter.kind.value,
            "approval": newsletter.approval.value,
            "sends_unapproved": "yes" if newsletter.sends_unapproved else "",
            "sender": newsletter.sender,
            "at": newsletter.at,
            "zone": newsletter.zone,
            "holidays": "\n".join(holiday.on.isoformat() for holiday in newsletter.holidays),
            "minimum_stories": "" if newsletter.minimum_stories is None else str(newsletter.minimum_stories),
            "look_back_days": "" if newsletter.look_back_days is None else str(newsletter.look_back_days),
            "is_public": "yes" if newsletter.is_public else "",
            "language": newsletter.language,
        }
    )
    typed.setlist("topics", [topic.slug for topic in newsletter.topics])
    typed.setlist("days", [str(day) for day in newsletter.days])
    return typed


@dataclass(frozen=True)
class Meaning:
    """What a calendar and its approval come to: the next dates, each with a word about clocks, or what is wrong."""

    zone: str = "UTC"
    often: str = ""
    dates: list[tuple[datetime, str]] = field(default_factory=list)
    opens_at: datetime | None = None
    warned_at: datetime | None = None
    sends_unapproved: bool = False
    problem: str = ""


def _meaning(form: MultiDict[str, str]) -> Meaning:
    typed, now = Newsletter(slug="", title="", approval=form.get("approval", "none")), clock.now()
    try:
        plan = newsletters.Calendar(
            form.getlist("days"), form.get("at", ""), form.get("zone", "").strip(), _dates(form)
        )
        newsletters.set_calendar(typed, plan)
    except errors.BadInput as error:
        return Meaning(problem=error.message)
    typed.holidays = [Holiday(on=day) for day in plan.holidays]
    schedule = calendar.schedule_of(typed)
    if schedule is None:
        return Meaning()
    coming = calendar.first_after(schedule, now, 3)
    approval = form.get("approval", "none") != Approval.NONE
    first_at = coming[0].due_at if coming else now
    return Meaning(
        zone=typed.zone,
        often=calendar.how_often(typed),
        dates=[(each.due_at, calendar.word_about_clocks(schedule.zone, each.on, schedule.at)) for each in coming],
        opens_at=max(now, first_at - settings.current().draft_ahead) if approval else None,
        warned_at=first_at - settings.current().approval_deadline,
        sends_unapproved=form.get("sends_unapproved") == "yes",
    )


def _form(
    newsletter: Newsletter | None,
    typed: MultiDict[str, str],
    error: errors.BadInput | None = None,
    *,
    seen: str = "",
    theirs: list[tuple[str, str]] | None = None,
) -> Response:
    chosen = typed.getlist("topics")
    with db.reading():
        known = {topic.slug: topic for topic in topics.all()}
        ordered = [known[slug] for slug in chosen if slug in known]
        page = render_template(
            "admin/newsletter.html",
            newsletter=newsletter,
            typed=typed,
            topics=[*ordered, *(topic for topic in known.values() if topic not in ordered)],
            days=newsletters.DAYS,
            zones=sorted(available_timezones()),
            languages=[(code, speech.own_name(code)) for code in speech.codes()],
            meaning=_meaning(typed),
            problems={error.field or "title": error.message} if error else {},
            seen=seen,
            theirs=theirs or [],
        )
    return make_response(page, 422 if error else 409 if theirs is not None else 200)
