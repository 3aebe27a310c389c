"""What is set once and seldom changed, in one place: the way to each of its pages."""

from flask import Blueprint, render_template

from newsletter.staff.roles import Action
from newsletter.web.admin import access, rooms

blueprint = Blueprint("desk_settings", __name__, url_prefix="/admin/settings")


@blueprint.get("")
@access.needs(Action.LOOK)
def show() -> str:
    """The pages this visitor may open, each with what is there."""
    (settings,) = [room for room in rooms.ROOMS if room.endpoint == "desk_settings.show"]
    return render_template("admin/settings.html", places=rooms.open_to(access.visitor(), settings.inner))
