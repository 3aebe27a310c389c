"""Who mails come from, which address stands beneath them, by which server they leave, and whether it takes them."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Blueprint, make_response, render_template
from werkzeug.wrappers import Response

from newsletter import db, errors, settings
from newsletter.outbox.trial import Trial
from newsletter.publication import newsletters
from newsletter.settings import Settings
from newsletter.staff import relay
from newsletter.staff.roles import Action
from newsletter.web.admin import access

blueprint = Blueprint("desk_mail", __name__, url_prefix="/admin/mail")


@dataclass(frozen=True)
class InForce:
    """Something the operator decides: what it is now, and the variable that says so."""

    name: str
    value: str
    variable: str
    why: str = ""


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> Response:
    """What is in force, and where it comes from."""
    return _page()


@blueprint.post("/tests")
@access.needs(Action.PLAN)
def test() -> Response:
    """Try the mail server with a mail to oneself."""
    visitor = access.visitor()
    try:
        outcome = relay.try_out(visitor.address, actor=visitor.address, editor_id=visitor.editor_id)
    except errors.Refused as error:
        db.session.rollback()
        return _page(error.message, status=429)
    db.session.commit()
    return _page(outcome=outcome)


def _page(problem: str = "", *, outcome: Trial | None = None, status: int = 200) -> Response:
    with db.reading():
        page = render_template(
            "admin/mail.html",
            in_force=_in_force(settings.current()),
            senders=[(each, each.sender or settings.current().sender) for each in newsletters.all()],
            outcome=outcome,
            problem=problem,
        )
    return make_response(page, status)


def _in_force(present: Settings) -> list[InForce]:
    why = "The law asks for it in every mail."
    return [
        InForce(
            "Sender", present.sender, "NEWSLETTER_SENDER", "A newsletter may have one of its own, set on its page."
        ),
        InForce("Postal address", present.postal_address, "NEWSLETTER_POSTAL_ADDRESS", why),
        InForce("Mail server", _server(present), "NEWSLETTER_SMTP_URL"),
        InForce("Address of this service", present.base_url, "NEWSLETTER_BASE_URL", "Every link in a mail begins so."),
    ]


def _server(present: Settings) -> str:
    """The mail server without its password."""
    if not present.smtp_url:
        return f"None: mails are written into {present.mail_folder}"
    parts = urlsplit(present.smtp_url)
    port = f", port {parts.port}" if parts.port else ""
    user = ", with a login" if parts.username else ", without a login"
    return f"{parts.hostname}{port}{user}"
