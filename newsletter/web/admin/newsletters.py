"""The magazine's newsletters: listed, added, changed, with their calendars."""

from datetime import date
from typing import TypeVar
from zoneinfo import available_timezones

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from newsletter import db, errors
from newsletter.issues import agenda, calendar
from newsletter.publication import newsletters, topics
from newsletter.publication.models import Approval, Newsletter, NewsletterKind
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_newsletters", __name__, url_prefix="/admin/newsletters")
Chosen = TypeVar("Chosen", NewsletterKind, Approval)


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
    return _form(None, MultiDict({"zone": "UTC", "is_public": "yes", "kind": "digest", "approval": "none"}))


@blueprint.post("")
@access.needs(Action.PLAN)
def add() -> Response:
    """Add a newsletter."""
    slug = request.form.get("slug", "").strip()
    if newsletters.find(slug) is not None:
        return _form(None, request.form, errors.BadInput("This short name is taken.", field="slug"))
    return _save(None, slug)


@blueprint.get("/<slug>")
@access.needs(Action.PLAN)
def edit(slug: str) -> Response:
    """The form with what it is now."""
    newsletter = newsletters.get(slug)
    return _form(newsletter, _as_typed(newsletter))


@blueprint.post("/<slug>")
@access.needs(Action.PLAN)
def change(slug: str) -> Response:
    """Change a newsletter."""
    return _save(newsletters.get(slug), slug)


def _save(newsletter: Newsletter | None, slug: str) -> Response:
    before = _as_typed(newsletter).to_dict(flat=False) if newsletter else {}
    try:
        saved = newsletters.save(slug, _plan(request.form))
    except errors.BadInput as error:
        db.session.rollback()
        return _form(newsletters.find(slug) if newsletter else None, request.form, error)
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


def _plan(form: MultiDict[str, str]) -> newsletters.Plan:
    at = form.get("at", "").strip()
    return newsletters.Plan(
        title=form.get("title", ""),
        topics=form.getlist("topics"),
        calendar=newsletters.Calendar(form.getlist("days"), at, form.get("zone", "").strip(), _dates(form)),
        promise=form.get("promise", ""),
        kind=_choice(NewsletterKind, form, "kind"),
        approval=_choice(Approval, form, "approval"),
        sends_unapproved=form.get("sends_unapproved") == "yes",
        sender=form.get("sender", "").strip(),
        minimum_stories=_number(form, "minimum_stories"),
        look_back_days=_number(form, "look_back_days"),
        is_public=form.get("is_public") == "yes",
    )


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
        }
    )
    typed.setlist("topics", [topic.slug for topic in newsletter.topics])
    typed.setlist("days", [str(day) for day in newsletter.days])
    return typed


def _form(newsletter: Newsletter | None, typed: MultiDict[str, str], error: errors.BadInput | None = None) -> Response:
    with db.reading():
        page = render_template(
            "admin/newsletter.html",
            newsletter=newsletter,
            typed=typed,
            topics=topics.all(),
            days=newsletters.DAYS,
            zones=sorted(available_timezones()),
            problems={error.field or "title": error.message} if error else {},
        )
    return make_response(page, 422 if error else 200)
