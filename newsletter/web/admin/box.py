"""The sign-up box as an editor pastes it into the magazine's own pages."""

from flask import Blueprint, render_template, request

from newsletter import settings
from newsletter.mail import links
from newsletter.publication import languages, topics
from newsletter.staff.roles import Action
from newsletter.web import security
from newsletter.web.admin import access

blueprint = Blueprint("desk_box", __name__, url_prefix="/admin/box")


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> str:
    """The two snippets for a topic, ready to copy, and how the box looks."""
    known, offered = topics.all(), languages.offered()
    topic = next((each for each in known if each.slug == request.args.get("topic")), None)
    language = request.args.get("language", "")
    chosen = {"topic": topic.slug if topic else "", "language": language if language in offered[1:] else ""}
    security.allow("frame-src", "'self'")
    return render_template(
        "admin/box.html",
        topics=known,
        languages=offered,
        chosen=chosen,
        query="&".join(f"{name}={value}" for name, value in chosen.items() if value),
        topic=topic,
        home=links.page(""),
        sites=settings.current().embed_sites,
        is_development=settings.current().is_development,
    )
