"""The pages of this door, for the factory to open."""

from flask import Blueprint

BLUEPRINTS: tuple[Blueprint, ...] = ()
