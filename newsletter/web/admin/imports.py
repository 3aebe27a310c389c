"""Files of readers: brought, looked through, taken in, with a report of every row that was not."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from flask import Blueprint, Response, make_response, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import db, errors, settings, spreadsheet
from newsletter.audience import imports, layouts
from newsletter.audience.importing import Choice
from newsletter.audience.models import ReaderImport
from newsletter.publication import newsletters, topics
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_imports", __name__, url_prefix="/admin/readers/imports")


@blueprint.get("")
@access.needs(Action.PLAN)
def show() -> Response:
    """The form, and the files there were."""
    return _list()


@blueprint.post("")
@access.needs(Action.PLAN)
@access.takes("import_bytes")
def bring() -> AnyResponse:
    """Take a file, and have it looked through; no reader is added yet."""
    file, visitor = request.files.get("file"), access.visitor()
    choice = Choice(request.form.getlist("newsletters"), request.form.getlist("topics"))
    try:
        if file is None or not file.filename:
            raise errors.BadInput("Please choose a file.", field="file")
        _check(choice)
        found = imports.bring(cast("BinaryIO", file.stream), name=file.filename, actor=visitor.address, choice=choice)
    except errors.BadInput as error:
        db.session.rollback()
        return _list(error)
    finally:
        if file is not None:
            file.close()
    return answers.see_other(url_for(".show_one", import_id=found.id))


@blueprint.get("/<int:import_id>")
@access.needs(Action.PLAN)
def show_one(import_id: int) -> Response:
    """One file: how far it is, what would come of it, what came of it."""
    return _one(imports.get(import_id))


@blueprint.get("/<int:import_id>/progress")
@access.needs(Action.PLAN)
def show_progress(import_id: int) -> str:
    """How far it is, as a fragment that the page fetches anew."""
    found = imports.get(import_id)
    return render_template("admin/_import.html", found=found, progress=imports.progress(found))


@blueprint.post("/<int:import_id>/start")
@access.needs(Action.PLAN)
def start(import_id: int) -> AnyResponse:
    """Take the readers in."""
    here = url_for(".show_one", import_id=import_id)
    return _decide(
        import_id, imports.begin, "readers imported", there=here, told=f"{access.visitor().name}, it is under way."
    )


@blueprint.post("/<int:import_id>/discard")
@access.needs(Action.PLAN)
def discard(import_id: int) -> AnyResponse:
    """Forget a file."""
    gone = "The file is deleted. No reader was added."
    return _decide(import_id, imports.discard, "import discarded", there=url_for(".show"), told=gone)


@blueprint.get("/<int:import_id>/refused.csv")
@access.needs(Action.PLAN)
def refused_sheet(import_id: int) -> Response:
    """Every row that was not taken, with its line and the reason."""
    imports.get(import_id)

    def lines() -> Iterator[str]:
        yield spreadsheet.START + spreadsheet.line(("line", "reason"))
        for each in imports.every_refusal(import_id):
            yield spreadsheet.line((each.line, each.reason))

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="refused-{import_id}.csv"'
    return response


def _check(choice: Choice) -> None:
    known = {each.slug for each in newsletters.all()}, {each.slug for each in topics.all()}
    for chosen, slugs in zip((choice.newsletters, choice.topics), known, strict=True):
        if not slugs.issuperset(chosen):
            raise errors.BadInput("One of these is not there any more. Please choose again.", field="newsletters")


def _decide(
    import_id: int, act: Callable[[ReaderImport], object], action: str, *, there: str, told: str
) -> AnyResponse:
    """What becomes of a file that was looked through; or its page with the sentence that says why not."""
    found = imports.get(import_id)
    try:
        checked = imports.describe(found)
        act(found)
    except errors.Conflict as error:
        db.session.rollback()
        return _one(imports.get(import_id), error.message)
    _record(action, found, checked)
    db.session.commit()
    return answers.see_other(there, told=told)


def _record(action: str, found: ReaderImport, checked: dict[str, object]) -> None:
    visitor = access.visitor()
    audit.record(visitor.address, action, f"import {found.id}", after=checked, editor_id=visitor.editor_id)


def _list(problem: errors.BadInput | None = None) -> Response:
    with db.reading():
        found = imports.latest(before=request.args.get("before", type=int))
        page = render_template(
            "admin/imports.html",
            imports=found,
            newsletters=newsletters.all(),
            topics=topics.all(),
            chosen=(request.form.getlist("newsletters"), request.form.getlist("topics")),
            layouts=[each.name for each in layouts.FOREIGN],
            columns=layouts.COLUMNS,
            most=settings.current().import_bytes,
            older=found[-1].id if len(found) == imports.PAGE else None,
            field=problem.field if problem else "",
            said=problem.message if problem else "",
            zone=newsletters.zone(),
        )
    return make_response(page, 422 if problem else 200)


def _one(found: ReaderImport, problem: str = "") -> Response:
    after = request.args.get("after", 0, type=int)
    with db.reading():
        refusals = imports.refusals(found.id, after=after)
        page = render_template(
            "admin/import.html",
            found=found,
            progress=imports.progress(found),
            refusals=refusals,
            further=refusals[-1].line if len(refusals) == imports.PAGE else None,
            problem=problem,
            zone=newsletters.zone(),
        )
    return make_response(page, 409 if problem else 200)
