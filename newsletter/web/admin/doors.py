"""The pages of this door, for the factory to open."""

from flask import Blueprint

from newsletter.web.admin import (
    access,
    answers,
    articles,
    audit,
    box,
    calendar,
    editors,
    feeds,
    issue,
    issues,
    login,
    newsletters,
    pictures,
    previews,
    readers,
    sending,
    setup,
    texts,
    today,
    wording,
)

BLUEPRINTS: tuple[Blueprint, ...] = (
    access.blueprint,
    answers.blueprint,
    wording.blueprint,
    pictures.blueprint,
    login.blueprint,
    setup.blueprint,
    today.blueprint,
    issues.blueprint,
    issue.blueprint,
    sending.blueprint,
    previews.blueprint,
    calendar.blueprint,
    articles.blueprint,
    feeds.blueprint,
    newsletters.blueprint,
    box.blueprint,
    readers.blueprint,
    editors.blueprint,
    audit.blueprint,
    texts.blueprint,
)
