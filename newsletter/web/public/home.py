"""The first page: the newsletters, and the sign-up box."""

from flask import Blueprint, Response

from newsletter.issues import archive, calendar
from newsletter.publication import newsletters
from newsletter.web.public import forms, pages

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def show() -> Response:
    """What each newsletter promises, how often it comes, what it carries, and its latest issue."""
    offers = [
        {"newsletter": each, "often": calendar.how_often(each), "latest": archive.latest(each)}
        for each in newsletters.public()
    ]
    return pages.answer("home.html", offers=offers, box=forms.box())
