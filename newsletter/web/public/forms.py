"""The sign-up form: what the box shows, and what was typed into it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from flask import request, url_for
from werkzeug.datastructures import MultiDict

from newsletter import errors, settings, signing
from newsletter.audience import addresses, consent, preferences, signup, wishes
from newsletter.issues import calendar
from newsletter.publication import legal, masthead, newsletters
from newsletter.publication.models import LegalKind, Newsletter, Topic
from newsletter.web import languages

_PURPOSE = "form"
_LONGEST = 400


@dataclass(frozen=True)
class Typed:
    """What a visitor sent."""

    email: str = ""
    newsletters: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    subscriptions: list[str] = field(default_factory=list)
    terms: bool = False
    tracking: bool = False
    # The address that was asked about once and is meant as it is.
    as_typed: str = ""
    is_trapped: bool = False


@dataclass(frozen=True)
class Stamp:
    """What our own form carries: the sentence and versions it showed, its page, and how long ago that was."""

    shown: consent.Shown
    page: str
    age: timedelta

    @property
    def is_too_fast(self) -> bool:
        return self.age < settings.current().form_minimum_time


@dataclass(frozen=True)
class Choice:
    """One newsletter under "How often"."""

    slug: str
    title: str
    often: str
    language: str
    is_chosen: bool


@dataclass(frozen=True)
class Suggestion:
    """The address that was typed, and the one that was probably meant: each is a button beside the field."""

    typed: str
    meant: str


@dataclass(frozen=True)
class Part:
    """A piece of the consent sentence, a link where it names a document."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Box:
    """Everything templates/public/_signup.html prints."""

    # Problems with these link to their field.
    FIELDS: ClassVar = ("email", "topics", "newsletters", "terms")

    invitation: str
    is_open: bool
    action: str = ""
    token: str = ""
    email: str = ""
    topics: list[Topic] = field(default_factory=list)
    chosen_topics: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    sentence: list[Part] = field(default_factory=list)
    terms: bool = False
    # The sentence of the second tick; "" where the magazine measures nobody personally.
    measurement: str = ""
    tracking: bool = False
    suggestion: Suggestion | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    is_framed: bool = False
    language: str = "en"


def box(topic_slug: str = "", *, newsletter_slug: str = "", page: str = "", is_framed: bool = False) -> Box:
    """The empty box, with a topic or newsletter chosen beforehand, for a page of ours named by its path."""
    chosen = Typed(topics=[topic_slug] if topic_slug else [], newsletters=[newsletter_slug] if newsletter_slug else [])
    return refilled(chosen, page=page or request.path, is_framed=is_framed)


def refilled(
    typed: Typed,
    *,
    page: str,
    problems: Mapping[str, str] | None = None,
    remark: str = "",
    token: str = "",
    is_framed: bool = False,
) -> Box:
    """The box with what was typed, what is wrong with it, and the earlier token while it shows the same texts."""
    language, offered = languages.spoken(), newsletters.public()
    invitation = masthead.label(masthead.current(), "invitation", language)
    if not offered or not legal.is_open(language):
        return Box(invitation, is_open=False, language=language)
    shown = consent.shown(language)
    earlier = stamp(token) if token else None
    meant = addresses.suggestion(typed.email)
    problems = problems or {}
    return Box(
        invitation,
        is_open=True,
        action=url_for("embed.press" if is_framed else "signup.press"),
        token=token if earlier and earlier.shown == shown else _token(shown, page),
        email=typed.email,
        topics=_topics(offered),
        chosen_topics=typed.topics or [name.partition(":")[2] for name in typed.subscriptions],
        choices=_choices(offered, typed.newsletters or [name.partition(":")[0] for name in typed.subscriptions]),
        sentence=_sentence(language),
        terms=typed.terms,
        measurement=preferences.MEASUREMENT if settings.current().measures_readers else "",
        tracking=typed.tracking,
        suggestion=Suggestion(typed.email, meant) if meant and "email" in problems else None,
        problems=problems,
        remark=remark,
        is_framed=is_framed,
        language=language,
    )


@dataclass(frozen=True)
class Agreement:
    """The consent sentence and the token that says which versions it named."""

    sentence: list[Part]
    token: str


def agreement() -> Agreement | None:
    """What a reader agrees to who takes something new by a link; None while sign-up is closed."""
    language = languages.spoken()
    if not legal.is_open(language):
        return None
    return Agreement(_sentence(language), _token(consent.shown(language), request.path.rpartition("/")[0]))


def read(form: "MultiDict[str, str]") -> Typed:
    """What was sent, cut to lengths a person types; raises nothing."""
    asked_about, meant = _one(form, "asked_about"), _one(form, "meant")
    email = _one(form, "email")
    # The button of the suggestion answers for the address it was shown beside, not for one corrected by hand since.
    return Typed(
        email=meant if meant and email == asked_about else email,
        newsletters=_many(form, "newsletters"),
        topics=_many(form, "topics"),
        subscriptions=_many(form, "subscription"),
        terms=_one(form, "terms") == "yes",
        tracking=_one(form, "tracking") == "yes",
        as_typed=_one(form, "as_typed"),
        is_trapped=_one(form, "leave_empty") != "",
    )


def stamp(token: str) -> Stamp | None:
    """What the form's token says; None when it is not ours or too old."""
    try:
        payload, age = signing.read_dated(_PURPOSE, token, lifetime=settings.current().form_lifetime)
    except errors.BadToken:
        return None
    sentence, language, terms_version, privacy_version, page = payload
    return Stamp(consent.Shown(sentence, language, terms_version, privacy_version), page, age)


def problems(typed: Typed) -> dict[str, str]:
    """What is wrong, by field, all of it at once."""
    found = {}
    try:
        addresses.parse(typed.email)
    except errors.BadInput as error:
        found["email"] = languages.say(error.message)
    else:
        meant = addresses.suggestion(typed.email)
        if meant and typed.as_typed != typed.email:
            found["email"] = languages.say("Did you mean %(address)s?", address=meant)
    try:
        wishes.asked(typed.newsletters, typed.topics, typed.subscriptions)
    except errors.BadInput as error:
        found[error.field] = languages.say(error.message)
    if not typed.terms:
        found["terms"] = languages.say(signup.TERMS_NEEDED)
    # In the order of the fields, as the summary lists them.
    return {field: found[field] for field in (*Box.FIELDS, *found) if field in found}


def _token(shown: consent.Shown, page: str) -> str:
    return signing.sign_dated(
        _PURPOSE, [shown.sentence, shown.language, shown.terms_version, shown.privacy_version, page[:_LONGEST]]
    )


def _topics(offered: list[Newsletter]) -> list[Topic]:
    carried = {topic.id: topic for newsletter in offered for topic in newsletter.topics}
    return sorted(carried.values(), key=lambda topic: (topic.position, topic.id))


def _choices(offered: list[Newsletter], chosen: list[str]) -> list[Choice]:
    default = newsletters.default()
    preset = chosen or [default.slug if default in offered and default else offered[0].slug]
    return [
        Choice(
            slug=newsletter.slug,
            title=newsletter.title,
            often=calendar.how_often(newsletter, languages.spoken()),
            language=newsletter.language,
            is_chosen=newsletter.slug in preset,
        )
        for newsletter in offered
    ]


def _sentence(language: str) -> list[Part]:
    worded = legal.wording(language)
    links = {
        "{terms}": (LegalKind.TERMS, url_for("legal.terms")),
        "{privacy}": (LegalKind.PRIVACY, url_for("legal.privacy")),
    }
    parts = []
    for piece in re.split(r"(\{terms\}|\{privacy\})", worded.sentence if worded else ""):
        if piece in links:
            document = legal.current(links[piece][0], language)
            parts.append(Part(document.title if document else "", links[piece][1]))
        elif piece:
            parts.append(Part(piece))
    return parts


def _one(form: "MultiDict[str, str]", name: str) -> str:
    return form.get(name, "").replace("\0", "").strip()[:_LONGEST]


def _many(form: "MultiDict[str, str]", name: str) -> list[str]:
    return [value.replace("\0", "").strip()[:_LONGEST] for value in form.getlist(name)[:100] if value.strip()]
