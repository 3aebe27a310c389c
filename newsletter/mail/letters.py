"""The small mails a reader or an editor asked for, each with what it needs and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from newsletter import settings
from newsletter.languages import speech
from newsletter.mail import templates, words
from newsletter.mail.looks import Look
from newsletter.mail.templates import Rendered


@dataclass(frozen=True)
class Wish:
    """A newsletter by its title, and the names of the topics asked for in it."""

    newsletter: str
    topics: Sequence[str]


def confirm(look: Look, wishes: Sequence[Wish], *, url: str, lifetime: timedelta, language: str = "en") -> Rendered:
    """ "Confirm your subscription": what was asked for and one link. Nothing in it was typed by a visitor."""
    return _letter("confirm", look, language, wishes=wishes, url=url, lifetime=lifetime)


def add(look: Look, wishes: Sequence[Wish], *, url: str, lifetime: timedelta, language: str = "en") -> Rendered:
    """ "Add Footwear to The Daily?": a reader's sign-up asked for more than the reader has."""
    subject = _add_what(wishes, language)
    return _letter("add", look, language, subject=subject, wishes=wishes, url=url, lifetime=lifetime)


def preferences_link(look: Look, *, url: str, language: str = "en") -> Rendered:
    """A sign-up that brought nothing new: the link by which to see and change what one gets."""
    return _letter("preferences_link", look, language, url=url)


def open_preferences(look: Look, *, url: str, language: str = "en") -> Rendered:
    """The preferences link, for who asked for it without a mail of ours at hand."""
    return _letter("open_preferences", look, language, url=url)


def private_link(look: Look, *, url: str, lifetime: timedelta, language: str = "en") -> Rendered:
    """The link by which a reader downloads or erases what is kept, or changes the address."""
    return _letter("private_link", look, language, url=url, lifetime=lifetime)


def confirm_move(look: Look, *, url: str, earlier: str, lifetime: timedelta, language: str = "en") -> Rendered:
    """To a new address: one press, and mails come here instead of to the `earlier` one, which is masked."""
    return _letter("confirm_move", look, language, url=url, earlier=earlier, lifetime=lifetime)


def moved(look: Look, *, now: str, language: str = "en") -> Rendered:
    """To the old address: from now on mails go to another one, which is masked."""
    return _letter("moved", look, language, now=now)


def agree(look: Look, *, title: str, url: str, by: str, language: str = "en") -> Rendered:
    """New terms, with the day (written out) by which the reader is asked to agree."""
    return _letter("agree", look, language, title=title, url=url, by=by)


def notice(look: Look, *, subject: str, text: str, url: str = "", button: str = "Open the desk") -> Rendered:
    """A word to an editor: what happened, in plain paragraphs, and where to act on it."""
    return _letter("notice", look, "en", subject=subject, paragraphs=text, url=url, button=button)


def setup(look: Look, *, url: str, role: str, lifetime: timedelta) -> Rendered:
    """An editor's one-time link to choose a password."""
    return _letter("setup", look, "en", url=url, role=role, lifetime=lifetime)


def _add_what(wishes: Sequence[Wish], language: str) -> str:
    """ "Add Footwear to The Daily?"; the titles alone where there are several."""
    if len(wishes) == 1 and wishes[0].topics:
        topics, newsletter = words.listed(wishes[0].topics, language), wishes[0].newsletter
        return speech.say("Add %(topics)s to %(newsletter)s?", language, topics=topics, newsletter=newsletter)
    titles = words.listed([wish.newsletter for wish in wishes], language)
    return speech.say("Add %(newsletters)s?", language, newsletters=titles)


def _letter(name: str, look: Look, language: str, **values: Any) -> Rendered:
    postal_address = settings.current().postal_address
    return templates.render(name, {"look": look, "language": language, "postal_address": postal_address, **values})
