"""The magazine's name, look and words as an editor sets them, with a digest that shows them before they are saved."""

import dataclasses

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from newsletter import db, errors, fetching, settings
from newsletter.articles import pictures
from newsletter.issues import samples
from newsletter.languages import speech
from newsletter.mail import looks, schemes
from newsletter.publication import legal, look, masthead
from newsletter.publication.masthead import Plan
from newsletter.publication.models import Masthead
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers, frames

blueprint = Blueprint("desk_masthead", __name__, url_prefix="/admin/masthead")

_LABEL = "label-"
# What the address of the sample carries.
_SAMPLED = ("name", "tagline", "language", "accent", "fonts", *(_LABEL + key for key in masthead.LABELS), "scheme")
# What each label stands at, for who has never seen a digest.
_WHERE = {
    "hypes_one": "After 1, like 1 Hype",
    "hypes_many": "After more, like 3,952 Hypes",
    "comments_one": "After 1, like 1 Comment",
    "comments_many": "After more, like 5 Comments",
    "read_full": "On the button under the first story",
    "read_next": "Above the stories at the end",
    "more": "Before the name of a section that has more stories",
    "invitation": "Above the sign-up form",
}


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """The form, the logo, and the sample."""
    plan = masthead.plan_of(masthead.current())
    return _page(_as_typed(plan), seen=masthead.stamp(plan))


@blueprint.post("")
@access.needs(Action.PLAN)
def save() -> AnyResponse:
    """Save what was typed, or show it without saving."""
    if request.form.get("do") == "look":
        return _page(request.form, seen=request.form.get("seen", ""))
    before = masthead.plan_of(masthead.current())
    try:
        after = masthead.plan_of(masthead.save(_plan(request.form), seen=request.form.get("seen", "")))
    except errors.BadInput as error:
        db.session.rollback()
        return _page(request.form, seen=request.form.get("seen", ""), problems={error.field: error.message})
    except errors.Conflict:
        db.session.rollback()
        return _page(request.form, seen=masthead.stamp(before), theirs=_differences(before, request.form), status=409)
    _note("masthead changed", dataclasses.asdict(before), dataclasses.asdict(after))
    return answers.see_other(url_for(".show"), told="The masthead is saved. Issues approved from now on bear it.")


@blueprint.post("/logo")
@access.needs(Action.PLAN)
def change_logo() -> AnyResponse:
    """Show another picture for the name, or the name again."""
    db.session.rollback()  # no transaction waits for a picture
    try:
        logo = _logo()
    except (errors.BadInput, errors.FetchRefused) as error:
        plan = masthead.plan_of(masthead.current())
        return _page(_as_typed(plan), seen=masthead.stamp(plan), problems={"logo": error.message})
    before = masthead.current().logo_hash
    masthead.set_logo(pictures.keep_logo(logo) if logo else None)
    _note("logo changed", {"logo": before}, {"logo": masthead.current().logo_hash})
    return answers.see_other(
        url_for(".show", _anchor="logo"),
        told="The logo stands for the name now." if logo else "The name is shown again.",
    )


@blueprint.get("/sample")
@access.needs(Action.LOOK)
def sample() -> Response:
    """A digest in what was typed; what cannot be is as it was saved."""
    stored = masthead.current()
    plan = _possible(_plan(request.args), stored)
    typed = looks.of(Masthead(**dataclasses.asdict(plan), logo_hash=stored.logo_hash))
    scheme = request.args.get("scheme", "")
    return frames.of_mail(
        schemes.in_scheme(samples.render(typed).html, scheme if scheme in schemes.SCHEMES else schemes.SCHEMES[0])
    )


@blueprint.get("/accent")
@access.needs(Action.LOOK)
def accent() -> str:
    """How an accent is read on light and on dark paper, as a fragment that the page fetches anew."""
    chosen = request.args.get("accent", "").strip()
    return render_template("admin/_accent.html", **_accent(chosen))


def _plan(values: MultiDict[str, str]) -> Plan:
    return Plan(
        name=values.get("name", ""),
        tagline=values.get("tagline", ""),
        language=values.get("language", ""),
        accent=values.get("accent", ""),
        fonts=values.get("fonts", ""),
        labels={key: values.get(_LABEL + key, "") for key in masthead.LABELS},
    )


def _as_typed(plan: Plan) -> MultiDict[str, str]:
    values = dataclasses.asdict(plan)
    labels = values.pop("labels")
    return MultiDict(values | {_LABEL + key: labels.get(key, "") for key in masthead.LABELS})


def _possible(typed: Plan, stored: Masthead) -> Plan:
    saved = masthead.plan_of(stored)
    for _ in dataclasses.fields(Plan):
        try:
            return masthead.checked(typed)
        except errors.BadInput as error:
            typed = dataclasses.replace(typed, **{error.field: getattr(saved, error.field)})
    return saved


def _logo() -> pictures.Encoded | None:
    if request.form.get("do") == "remove":
        return None
    file, url = request.files.get("picture"), request.form.get("url", "").strip()
    if file and file.filename:
        return pictures.encode_logo(file.read())
    if not url:
        raise errors.BadInput("Please choose a picture, or write its address.", field="logo")
    limit = settings.current().picture_bytes
    return pictures.encode_logo(fetching.get(url, accept="image/*", limit=limit).content)


def _accent(chosen: str) -> dict[str, object]:
    is_colour = look.is_colour(chosen)
    return {"chosen": chosen.lower(), "readings": look.readings(chosen.lower()) if is_colour else []}


def _differences(theirs: Plan, mine: MultiDict[str, str]) -> list[tuple[str, str]]:
    """What stands now, where it is not what was typed: (field, value)."""
    present = _as_typed(theirs)
    return [(name, value) for name, value in present.items() if value != mine.get(name, "").strip()]


def _note(action: str, before: dict[str, object], after: dict[str, object]) -> None:
    visitor = access.visitor()
    audit.record(visitor.address, action, "masthead", before=before, after=after, editor_id=visitor.editor_id)
    db.session.commit()


def _page(
    typed: MultiDict[str, str],
    *,
    seen: str,
    problems: dict[str, str] | None = None,
    theirs: list[tuple[str, str]] | None = None,
    status: int = 200,
) -> Response:
    security.allow("frame-src", "'self'")
    with db.reading():
        stored = masthead.current()
        bare = Masthead(language=stored.language, labels={})
        page = render_template(
            "admin/masthead.html",
            typed=typed,
            seen=seen,
            problems=problems or {},
            theirs=theirs or [],
            stored=stored,
            languages=[(code, speech.own_name(code), legal.is_open(code)) for code in speech.codes()],
            fonts=list(look.FONTS),
            labels=[(key, _LABEL + key, where, masthead.label(bare, key)) for key, where in _WHERE.items()],
            accent=_accent(typed.get("accent", "").strip()),
            sample={name: typed.get(name, "") for name in _SAMPLED},
        )
    return make_response(page, 422 if problems else status)
