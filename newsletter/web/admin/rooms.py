"""Where everything on the desk stands: the navigation as one table, work first, then what is set once."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, g, request

from newsletter.staff.roles import Action
from newsletter.web.admin.access import Visitor

blueprint = Blueprint("desk_rooms", __name__)


@dataclass(frozen=True)
class Room:
    """A place in the navigation: its page, the blueprints whose pages belong to it, and who is shown it.

    `about` says in a sentence what is there; `inner` are the places within it, listed while one is there.
    """

    name: str
    endpoint: str
    blueprints: tuple[str, ...]
    needs: Action = Action.LOOK
    about: str = ""
    inner: tuple["Room", ...] = ()

    @property
    def is_page(self) -> bool:
        """Whether its own page is the one asked for."""
        return request.endpoint == self.endpoint

    @property
    def is_here(self) -> bool:
        """Whether the page asked for belongs to it or to a place within it."""
        return request.blueprint in self.blueprints or any(room.is_here for room in self.inner)


ROOMS: tuple[Room, ...] = (
    Room("Today", "desk_today.show", ("desk_today",)),
    Room(
        "Issues",
        "desk_issues.show",
        (
            "desk_issues",
            "desk_issue",
            "desk_arrivals",
            "desk_blocks",
            "desk_steps",
            "desk_story_words",
            "desk_preflight",
            "desk_sending",
            "desk_amending",
            "desk_messages",
            "desk_resending",
            "desk_uncertain",
            "desk_previews",
        ),
    ),
    Room(
        "Articles",
        "desk_articles.show",
        ("desk_articles", "desk_article"),
        inner=(Room("Feeds", "desk_feeds.show", ("desk_feeds",)),),
    ),
    Room("Calendar", "desk_calendar.show", ("desk_calendar",)),
    Room(
        "Readers",
        "desk_readers.show",
        ("desk_readers", "desk_erasures"),
        Action.READERS,
        inner=(
            Room("Suppressions", "desk_suppressions.show", ("desk_suppressions",), Action.READERS),
            Room("Imports", "desk_imports.show", ("desk_imports",), Action.PLAN),
        ),
    ),
    Room("Figures", "desk_figures.show", ("desk_figures",)),
    Room(
        "Settings",
        "desk_settings.show",
        ("desk_settings",),
        inner=(
            Room(
                "Masthead",
                "desk_masthead.show",
                ("desk_masthead",),
                about="The magazine’s name, logo, colour, type and words.",
            ),
            Room(
                "Newsletters",
                "desk_newsletters.show",
                ("desk_newsletters",),
                about="What each promises and carries, when it appears, who approves it.",
            ),
            Room(
                "Topics",
                "desk_topics.show",
                ("desk_topics",),
                about="What readers choose: names, order, and which newsletters carry each.",
            ),
            Room(
                "Sender and mail server",
                "desk_mail.show",
                ("desk_mail",),
                about="Who mails come from, the address beneath them, and whether the mail server takes them.",
            ),
            Room(
                "Terms and privacy",
                "desk_texts.show",
                ("desk_texts",),
                about="Every version there was, and publishing the next one.",
            ),
            Room(
                "Sign-up box",
                "desk_box.show",
                ("desk_box",),
                about="What you paste into the magazine’s own pages.",
            ),
            Room(
                "Your account",
                "desk_account.show",
                ("desk_account", "desk_two_step"),
                about="Your name, password, two-step login, sessions, and what you are told about.",
            ),
            Room(
                "Editors",
                "desk_editors.show",
                ("desk_editors",),
                Action.STAFF,
                about="Who works here, and as what.",
            ),
            Room(
                "Audit log",
                "desk_audit.show",
                ("desk_audit",),
                Action.AUDIT,
                about="Who changed what and when, with before and after.",
            ),
        ),
    ),
)


def open_to(visitor: Visitor, rooms: tuple[Room, ...] = ROOMS) -> list[Room]:
    """The places this visitor is shown."""
    return [room for room in rooms if visitor.may(room.needs)]


@blueprint.app_context_processor
def _rooms() -> dict[str, Any]:
    present: Visitor | None = g.get("visitor")
    return {"rooms": open_to(present), "rooms_open_to": open_to} if present else {}
