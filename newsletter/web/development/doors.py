"""The pages of this door, for the factory to open."""

from flask import Blueprint

from newsletter.web.development import inbox, sample

BLUEPRINTS: tuple[Blueprint, ...] = (sample.blueprint, inbox.blueprint)
