"""The pages of this door, for the factory to open."""

from flask import Blueprint

from newsletter.web.public import (
    agree,
    archive,
    confirm,
    embed,
    health,
    home,
    legal,
    media,
    preferences,
    private,
    signup,
    syndication,
    theme,
    unsubscribe,
)

BLUEPRINTS: tuple[Blueprint, ...] = (
    theme.blueprint,
    home.blueprint,
    signup.blueprint,
    embed.blueprint,
    confirm.blueprint,
    agree.blueprint,
    preferences.blueprint,
    private.blueprint,
    unsubscribe.blueprint,
    archive.blueprint,
    syndication.blueprint,
    legal.blueprint,
    media.blueprint,
    health.blueprint,
)
