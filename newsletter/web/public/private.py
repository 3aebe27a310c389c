"""What only the reader may do, by a link that works for an hour: another address, a copy of the data, erasure."""

import json

from flask import Blueprint, Response, request, url_for

from newsletter import db, errors
from newsletter.audience import fresh_links, moving
from newsletter.audience.models import LinkKind, LinkRequest, Subscriber
from newsletter.privacy import erase, export
from newsletter.web import languages, security
from newsletter.web.public import origins, pages

blueprint = Blueprint("private", __name__, url_prefix="/preferences")


@blueprint.get("/private/<token>")
@security.private
def show(token: str) -> Response:
    """The three things, each with what it means."""
    return _page(token, fresh_links.read(LinkKind.PRIVATE, token))


@blueprint.get("/private/<token>/data.json")
@security.private
def download(token: str) -> Response:
    """Everything kept about the reader."""
    data = export.export(fresh_links.read(LinkKind.PRIVATE, token).subscriber_id)
    response = Response(json.dumps(data, ensure_ascii=False, indent=2) + "\n", mimetype="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


@blueprint.post("/private/<token>/address")
@security.private
def ask_move(token: str) -> Response:
    """Mail the new address a link; nothing changes before it is pressed."""
    link = fresh_links.read(LinkKind.PRIVATE, token)
    email = request.form.get("email", "").replace("\0", "").strip()[:400]
    try:
        address = moving.ask(link, email, origins.of_request("preferences"))
    except errors.BadInput as error:
        db.session.rollback()
        return _page(
            token,
            fresh_links.read(LinkKind.PRIVATE, token),
            email=email,
            problem=languages.say(error.message),
            status=400,
        )
    db.session.commit()
    return pages.answer("move_sent.html", address=address)


@blueprint.get("/address/<token>")
@security.private
def show_move(token: str) -> Response:
    """What a press at the new address would change; opening it changes nothing."""
    move = moving.look_at(token)
    return pages.answer("moved.html" if move.is_done else "move.html", move=move)


@blueprint.post("/address/<token>")
@security.private
def confirm_move(token: str) -> Response:
    """Write to the new address from now on."""
    move = moving.confirm(token, origins.of_request("link"))
    db.session.commit()
    return pages.answer("moved.html", move=move)


@blueprint.get("/private/<token>/erasure")
@security.private
def review_erasure(token: str) -> Response:
    """What erasing means, and the button."""
    reader = db.session.get_one(Subscriber, fresh_links.read(LinkKind.PRIVATE, token).subscriber_id)
    return pages.answer("erase.html", address=reader.address, back=url_for("private.show", token=token))


@blueprint.post("/private/<token>/erasure")
@security.private
def press_erasure(token: str) -> Response:
    """Erase the reader."""
    erase.erase(fresh_links.read(LinkKind.PRIVATE, token).subscriber_id)
    db.session.commit()
    return pages.answer("erased.html")


def _page(token: str, link: LinkRequest, *, email: str = "", problem: str = "", status: int = 200) -> Response:
    reader = db.session.get_one(Subscriber, link.subscriber_id)
    languages.speak(reader.language)
    return pages.answer(
        "private.html",
        status=status,
        address=reader.address,
        email=email,
        problem=problem,
        download=url_for("private.download", token=token),
        move=url_for("private.ask_move", token=token),
        erasure=url_for("private.review_erasure", token=token),
    )
