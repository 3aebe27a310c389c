"""`flask newsletter ...`: everything the desk can do, scriptable."""

from flask.cli import AppGroup

from newsletter.cli import (
    articles,
    audience,
    audit,
    blocks,
    calendar,
    composing,
    corrections,
    delivery,
    figures,
    incoming,
    issues,
    languages,
    preflight,
    publication,
    relay,
    setup,
    staff,
    suppressions,
    trials,
    uncertain,
)

newsletter = AppGroup("newsletter", help="Newsletters: sign-up, digests, delivery.")
for section in (
    setup,
    publication,
    articles,
    audience,
    staff,
    issues,
    preflight,
    trials,
    composing,
    corrections,
    blocks,
    calendar,
    delivery,
    relay,
    uncertain,
    suppressions,
    audit,
    figures,
    incoming,
    languages,
):
    section.register(newsletter)
