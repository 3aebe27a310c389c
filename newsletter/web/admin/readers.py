"""Who reads: counted, searched, one by one with what they agreed to."""

import json
from collections.abc import Iterator, Mapping
from datetime import date

from flask import Blueprint, Response, make_response, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import db, errors
from newsletter.audience import consent, directory, proofs, roll
from newsletter.audience.directory import Search
from newsletter.feedback import growth
from newsletter.outbox import suppression
from newsletter.privacy import blocks, endings, story
from newsletter.publication import newsletters, topics
from newsletter.staff import audit
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access, answers

blueprint = Blueprint("desk_readers", __name__, url_prefix="/admin/readers")


@blueprint.get("")
@access.needs(Action.READERS)
def show() -> str:
    """The list."""
    search = _search(request.args)
    found = directory.page(search, after=request.args.get("after", "")[:320])
    return render_template(
        "admin/readers.html",
        readers=found.readers,
        further=found.further,
        total=growth.lately(7),
        counted_at=growth.counted_at(),
        search=search,
        asked=_asked(search),
        standings=list(directory.Standing),
        newsletters=newsletters.all(),
        topics=topics.all(),
    )


@blueprint.post("/export")
@access.needs(Action.PLAN)
@access.after_proof()
def export() -> Response:
    """The readers that fit a search as a table; who took it, and which, is kept."""
    search, visitor = _search(request.form), access.visitor()
    directory.page(search, limit=1)
    audit.record(visitor.address, "readers exported", "readers", after=_asked(search), editor_id=visitor.editor_id)
    db.session.commit()

    def lines() -> Iterator[str]:
        with db.reading():
            yield from roll.lines(search)
            db.session.rollback()

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="readers.csv"'
    return response


def _search(given: Mapping[str, str]) -> Search:
    return Search(
        words=given.get("q", "").strip()[:320],
        newsletter=given.get("newsletter", ""),
        topic=given.get("topic", ""),
        standing=given.get("state", ""),
        joined_from=_day(given.get("from", ""), "from"),
        joined_to=_day(given.get("to", ""), "to"),
    )


def _day(text: str, field: str) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        day = date.min
    if day is not None and not 1970 <= day.year <= 9000:
        raise errors.BadInput("A day is written like 2026-11-26.", field=field)
    return day


def _asked(search: Search) -> dict[str, str]:
    """The search as it stands in an address."""
    named = {
        "q": search.words,
        "newsletter": search.newsletter,
        "topic": search.topic,
        "state": search.standing,
        "from": search.joined_from.isoformat() if search.joined_from else "",
        "to": search.joined_to.isoformat() if search.joined_to else "",
    }
    return {name: value for name, value in named.items() if value}


@blueprint.get("/<int:reader_id>")
@access.needs(Action.READERS)
def show_one(reader_id: int) -> str:
    """One reader's subscriptions, and their whole story."""
    reader = directory.get(reader_id)
    return _reader_page(reader)


@blueprint.post("/<int:reader_id>/suppression")
@access.needs(Action.PLAN)
@access.after_proof()
def lift(reader_id: int) -> AnyResponse:
    """Allow mail to a reader's address again, for a reason that is kept."""
    reader, visitor = directory.get(reader_id), access.visitor()
    try:
        present = suppression.find(reader.subscriber.address)
        if present is None:
            raise errors.Conflict("Nothing stops mail to this address.")
        blocks.lift(
            present,
            request.form.get("reason", ""),
            actor=visitor.address,
            editor_id=visitor.editor_id,
            subject=f"reader {reader_id}",
        )
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        status = 422 if isinstance(error, errors.BadInput) else 409
        return make_response(_reader_page(directory.get(reader_id), problem=error.message), status)
    db.session.commit()
    return answers.see_other(url_for("desk_readers.show_one", reader_id=reader_id), told="Mail may go there again.")


@blueprint.post("/<int:reader_id>/ending")
@access.needs(Action.READERS)
@access.after_proof()
def end(reader_id: int) -> AnyResponse:
    """End what they take of a newsletter, or everything, at their wish."""
    visitor, newsletter = access.visitor(), request.form.get("newsletter", "")
    directory.get(reader_id)
    try:
        endings.end(
            reader_id,
            request.form.get("reason", ""),
            newsletter=newsletter,
            actor=visitor.address,
            editor_id=visitor.editor_id,
        )
    except (errors.BadInput, errors.Conflict) as error:
        db.session.rollback()
        status = 422 if isinstance(error, errors.BadInput) else 409
        return make_response(_reader_page(directory.get(reader_id), not_ended=error.message), status)
    db.session.commit()
    return answers.see_other(url_for("desk_readers.show_one", reader_id=reader_id), told="This has ended.")


def _reader_page(reader: directory.Listed, *, problem: str = "", not_ended: str = "") -> str:
    proof = consent.proof(reader.subscriber.address)
    return render_template(
        "admin/reader.html",
        reader=reader,
        proof=proof,
        story=story.page(reader.subscriber, proof["records"], before=request.args.get("before", "")[:100]),
        titles=story.titles,
        stopped=suppression.find(reader.subscriber.address),
        problem=problem,
        not_ended=not_ended,
        typed=request.form,
    )


@blueprint.get("/<int:reader_id>/proof")
@access.needs(Action.READERS)
def show_proof(reader_id: int) -> Response:
    """The document to print, as the command line writes it."""
    page = proofs.document(directory.get(reader_id).subscriber.address)
    security.allow("style-src", f"'sha256-{proofs.style_digest(page)}'")
    return Response(page, mimetype="text/html")


@blueprint.get("/<int:reader_id>/proof.json")
@access.needs(Action.READERS)
def show_proof_data(reader_id: int) -> Response:
    """The same as data, as the command line answers it."""
    found = consent.proof(directory.get(reader_id).subscriber.address)
    response = Response(json.dumps(found, ensure_ascii=False) + "\n", mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="proof-{reader_id}.json"'
    return response
