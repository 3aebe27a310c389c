"""Notes, house ads and the sponsor of an issue, put in, changed and taken out."""

import contextlib
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from newsletter import db, errors, fetching, settings
from newsletter.articles import pictures
from newsletter.articles.pictures import Encoded
from newsletter.issues import agenda, blocks
from newsletter.issues.blocks import Draft
from newsletter.issues.models import BlockKind, BlockPlace
from newsletter.staff.roles import Action
from newsletter.web.admin import access
from newsletter.web.admin import issue as issue_page

blueprint = Blueprint("desk_blocks", __name__, url_prefix="/admin/issues/<int:issue_id>/blocks")

_MEANWHILE = "Somebody else changed this block meanwhile. What stands now is above your words: save yours to keep them."


@blueprint.post("")
@access.needs(Action.EDIT)
def add(issue_id: int) -> Response:
    """Put a block in."""
    return _save(issue_id, 0)


@blueprint.post("/<int:block_id>")
@access.needs(Action.EDIT)
def change(issue_id: int, block_id: int) -> Response:
    """Give a block other words, another place, another picture."""
    blocks.get(agenda.get(issue_id), block_id)
    return _save(issue_id, block_id)


@blueprint.post("/<int:block_id>/removal")
@access.needs(Action.EDIT)
def remove(issue_id: int, block_id: int) -> Response:
    """Take a block out."""
    issue = agenda.get(issue_id)
    was = issue.state
    issue_page.check_may_open(issue)
    try:
        blocks.remove(issue, block_id, issue_page.hand())
    except errors.Conflict as error:
        return issue_page.page(issue_id, error.message, status=409)
    return issue_page.done(issue, was, "Taken out.", anchor="blocks")


def _save(issue_id: int, block_id: int) -> Response:
    issue_page.check_may_open(agenda.get(issue_id))
    # No transaction waits for another server, or while a picture is made smaller.
    db.session.rollback()
    typed = {name: request.form.get(name, "") for name in ("kind", "place", *blocks.LONGEST)}
    shown: dict[str, Any] = {"id": block_id, **typed, "picture_url": request.form.get("picture_url", "").strip()}
    try:
        picture = _picture(shown["picture_url"])
        issue = agenda.get(issue_id)
        was = issue.state
        if block_id:
            blocks.change(
                issue,
                block_id,
                _draft(typed),
                issue_page.hand(),
                picture=picture,
                keeps_picture=request.form.get("without_picture") != "yes",
                mark=request.form.get("mark"),
            )
        else:
            blocks.add(issue, _draft(typed), issue_page.hand(), picture=picture)
    except errors.BadInput as error:
        shown |= {"wrong": error.field, "problem": error.message}
        return issue_page.page(issue_id, error.message, status=422, typed_block=shown)
    except errors.FetchRefused as error:
        shown |= {"wrong": "picture", "problem": error.message}
        return issue_page.page(issue_id, error.message, status=422, typed_block=shown)
    except errors.Conflict as error:
        problem = _MEANWHILE if block_id else error.message
        return issue_page.page(issue_id, problem, status=409, typed_block=shown)
    return issue_page.done(issue, was, "Saved." if block_id else "It is in.", anchor="blocks")


def _draft(typed: dict[str, str]) -> Draft:
    with contextlib.suppress(ValueError):
        kind, place = BlockKind(typed["kind"]), BlockPlace(typed["place"] or BlockPlace.END)
        return Draft(kind, place, **{name: typed[name] for name in blocks.LONGEST})
    raise errors.BadInput("Choose what it is, and where it stands.", field="kind")


def _picture(url: str) -> list[Encoded] | None:
    file = request.files.get("picture")
    if file and file.filename:
        return pictures.encode(file.read())
    if url:
        return pictures.encode(fetching.get(url, accept="image/*", limit=settings.current().picture_bytes).content)
    return None
